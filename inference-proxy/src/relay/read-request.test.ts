import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { createPrompts } from "../prompt/index.ts";
import { bytesOf } from "../upstream/request-body.ts";
import { bodyForUpstream, parseApiRequest } from "./read-request.ts";

const prompts = createPrompts({
  hash: Bun.hash.rapidhash,
  memoSeed: 1n,
  keySeed: 2n,
  nowMs: () => 0,
  tokensOf: (_model, bytes) => bytes,
  blockTokensOf: () => 16,
  memoBytesMax: 1e6,
  sessions: { sessionsMax: 10, marksMax: 1000, bodyBytesMax: 0, ttlMs: 1000 },
});

const read = (body: string | Uint8Array<ArrayBuffer>) =>
  parseApiRequest(typeof body === "string" ? new TextEncoder().encode(body) : body, {
    path: "/v1/chat/completions",
    tenant: "acme",
    prompts,
  });

/** What a vLLM is sent. */
const sent = (body: string) => {
  const options = { model: "tiny", kind: "vllm", removed: [] } as const;
  return new TextDecoder().decode(bytesOf(bodyForUpstream(read(body), options)));
};

/*
 * Goal: no body makes an engine use a salt that is not led by its tenant. Method: bodies that write
 * the salt in every way, well-formed or not; whatever is let through is read as engines read it.
 */
describe("the salt that an engine is sent", () => {
  const spellings = [
    '"cache_salt":"globex"',
    '"cache\\u005fsalt":"globex"',
    '"\\u0063\\u0061\\u0063\\u0068\\u0065_salt":"globex"',
    '"cache_salt":"mine","cache_salt":"globex"',
    '"cache_salt" : null',
    '"x":{"cache_salt":"globex"}',
    '"x":"\\",\\"cache_salt\\":\\"globex\\""',
    '"x":"\\\\","cache_salt":"globex"',
    '"\\ufeffcache_salt":"globex"',
    '"cache_salt ":"globex"',
  ];

  test("is led by the tenant and stands last, however a client writes its own", () => {
    for (const one of spellings) {
      for (const other of spellings) {
        const body = `{${one},"model":"tiny","messages":[{"content":"}]"}],${other}}`;
        const text = sent(body);
        expect(JSON.parse(text).cache_salt).toMatch(/^acme(\/|$)/);
        expect(text).toMatch(/"cache_salt":"acme(\/[a-z]+)?"\}$/);
      }
    }
  });

  test("is none where ours is not needed: a client's own could be any tenant's", () => {
    const bytes = new TextEncoder().encode('{"cache_salt":"globex","input":"x"}');
    const options = { model: "", kind: "vllm", removed: [] } as const;
    for (const path of ["/v1/embeddings", "/v1/messages/count_tokens"] as const) {
      const request = parseApiRequest(bytes, { path, tenant: "acme", prompts });
      expect(Buffer.from(bytesOf(bodyForUpstream(request, options))).toString()).toBe(
        '{"input":"x"}',
      );
    }
  });

  test("is led by the tenant where a client writes one for an engine of an unknown kind", () => {
    const told = (body: string) =>
      Buffer.from(
        bytesOf(bodyForUpstream(read(body), { model: "", kind: "openai", removed: [] })),
      ).toString();
    expect(told('{"cache_salt":"globex","messages":[]}')).toBe(
      '{"messages":[],"cache_salt":"acme/globex"}',
    );
    expect(told('{"messages":[]}')).toBe('{"messages":[]}');
  });

  test("is led by the tenant for 5,000 seeded bodies that are cut, doubled and bent", () => {
    const random = seededRandom("salts");
    let passed = 0;
    for (let round = 0; round < 5000; round += 1) {
      const body = bent(
        random,
        `{${pick(random, spellings)},"messages":[],${pick(random, spellings)}}`,
      );
      let text: string;
      try {
        text = sent(body);
      } catch {
        continue;
      }
      const salt = saltOf(text);
      if (salt !== undefined) {
        passed += 1;
        expect(salt).toMatch(/^acme(\/|$)/);
      }
    }
    expect(passed).toBeGreaterThan(500);
  });
});

describe("parseApiRequest()", () => {
  test("refuses what is not UTF-8, and says so", () => {
    const broken = [[0x80], [0xe2, 0x22], [0xc0, 0xa2], [0xed, 0xa0, 0x80]];
    for (const bytes of broken) {
      const body = new Uint8Array([...Buffer.from('{"model":"'), ...bytes, ...Buffer.from('"}')]);
      expect(() => read(body)).toThrow("UTF-8");
    }
  });

  test("reads numbers and words as a parser does, and refuses wrong ones", () => {
    expect(read('{"max_tokens":1e3,"stream":true}')).toMatchObject({
      answerTokensMax: 1000,
      isStream: true,
      model: "",
    });
    expect(read('{"max_tokens":1e999}').answerTokensMax).toBe(2 ** 31 - 1);
    expect(read('{"max_tokens":-1}').answerTokensMax).toBeUndefined();
    expect(read('{"max_tokens":7,"max_tokens":12.5}').answerTokensMax).toBe(13);
    expect(read('{"model":"a","mod\\u0065l":"\\u0062"}').model).toBe("b");
    const both = '{"max_completion_tokens":0,"max_tokens":9,"max_output_tokens":1}';
    expect(read(both).answerTokensMax).toBe(9);
    for (const [path, max] of [
      ["/v1/messages", 9],
      ["/v1/completions", 9],
      ["/v1/responses", 1],
    ] as const) {
      const bytes = new TextEncoder().encode(both);
      expect(parseApiRequest(bytes, { path, tenant: "acme", prompts }).answerTokensMax).toBe(max);
    }
    expect(() => read('{"model":1}')).toThrow("`model` must be a string");
    expect(() => read('{"stream":"yes"}')).toThrow("`stream` must be a boolean");
    expect(() => read('{"cache_salt":""}')).toThrow("`cache_salt`");
    expect(() => read('{"stream":tru}')).toThrow("not valid JSON");
    expect(() => read('{"max_tokens":01}')).toThrow("not valid JSON");
  });
});

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random.next() * from.length)]!;
}

/** The text with a few of its characters changed, doubled or left out. */
function bent(random: Random, text: string): string {
  let result = text;
  for (let times = Math.floor(random.next() * 3); times > 0; times -= 1) {
    const at = Math.floor(random.next() * result.length);
    const piece = pick(random, ["", '"', "\\", "{", "}", "[", "]", ",", ":", " "]);
    result = result.slice(0, at) + piece + result.slice(at + Math.floor(random.next() * 2));
  }
  return result;
}

/** The salt as a parser finds it; undefined where it refuses the body. */
function saltOf(text: string): string | undefined {
  try {
    return JSON.parse(text).cache_salt;
  } catch {
    return undefined;
  }
}
