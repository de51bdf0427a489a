import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { createEventFramer, dataOf, splitEvents } from "./sse.ts";
import { createStreamTap } from "./stream-tap.ts";

/*
 * Goal: what a client gets does not depend on how the bytes came, nor on how an engine writes its
 * JSON. Method: seeded streams in every legal dress (spaces, line breaks, CRLF, comments, fields of
 * other names, data over several lines, text that looks like the stream's own), cut at random
 * places, against an oracle that parses every event of the whole.
 */

const rounds = 400;
const pick = <T>(random: Random, items: readonly T[]): T =>
  // The index is within the list.
  items[Math.floor(random.next() * items.length)] as T;

const texts = [
  "plain",
  "é😀…",
  'data: [DONE]\n\ndata: {"error":{"message":"no"}}\n\n',
  '"finish_reason":"abort","usage":{"prompt_tokens":9}',
  '\\"error\\":{',
  "",
];

/** One event in a random dress. */
function dress(random: Random, value: unknown): string {
  const end = pick(random, ["\n", "\n", "\r\n"]);
  const json = pick(random, [
    JSON.stringify(value),
    JSON.stringify(value).replaceAll(/":(?=[[{"\dn])/g, '": '),
    JSON.stringify(value, null, 1).replaceAll("\n", ""),
    JSON.stringify(value, null, 2),
  ]);
  const prefix = pick(random, ["", "", "event: message\n", ": note\n", "id: 7\n"]);
  const colon = pick(random, ["data: ", "data: ", "data:"]);
  const lines = json.split("\n").map((line) => `${colon}${line}\n`);
  return `${prefix}${lines.join("")}\n`.replaceAll("\n", end);
}

function streamOf(random: Random): string {
  const parts: string[] = [];
  const choice = (finish: string | null, index = 0) => ({
    id: "chatcmpl-1",
    choices: [{ index, delta: { content: pick(random, texts) }, finish_reason: finish }],
    ...(random.next() < 0.2 ? { usage: null } : {}),
    ...(random.next() < 0.2 ? { usage: { prompt_tokens: 3, completion_tokens: 1 } } : {}),
  });
  const count = Math.floor(random.next() * 6);
  for (let each = 0; each < count; each += 1) {
    parts.push(dress(random, choice(null)));
    if (random.next() < 0.2) {
      parts.push(pick(random, [": ping\n\n", ":\r\n\r\n"]));
    }
  }
  const ending = random.next();
  if (ending < 0.7) {
    parts.push(dress(random, choice(pick(random, ["stop", "tool_calls", "length"]))));
  } else if (ending < 0.8) {
    parts.push(dress(random, choice("abort")));
  } else if (ending < 0.9) {
    parts.push(dress(random, { error: { message: "gone", code: 500 } }));
  }
  if (random.next() < 0.6) {
    const usage = { prompt_tokens: 12, completion_tokens: 2 };
    parts.push(dress(random, { id: "chatcmpl-1", choices: [], usage }));
  }
  if (random.next() < 0.8) {
    parts.push(pick(random, ["data: [DONE]\n\n", "data:[DONE]\n\n", "data: [DONE]\r\n\r\n"]));
  }
  return parts.join("");
}

interface Parsed {
  readonly error?: unknown;
  readonly usage?: unknown;
  readonly choices?: readonly { readonly finish_reason: string | null }[];
}

/** Event by event, parsing each: what should be handed on, and what should be known then. */
function oracle(body: Uint8Array, dropsUsage: boolean) {
  const kept: Uint8Array[] = [];
  const facts = {
    finishReason: undefined as string | undefined,
    choiceEvents: 0,
    isFailed: false,
    isFalseEnd: false,
    usage: undefined as unknown,
  };
  for (const event of splitEvents(body)) {
    const data = dataOf(event);
    if (data === "[DONE]") {
      facts.isFalseEnd = facts.finishReason === undefined && !facts.isFailed;
    } else if (data !== undefined) {
      // Made above.
      const parsed = JSON.parse(data) as Parsed;
      const [choice] = parsed.choices ?? [];
      facts.isFailed ||= parsed.error !== undefined;
      facts.choiceEvents += parsed.choices?.length ?? 0;
      facts.isFalseEnd = choice?.finish_reason === "abort";
      facts.usage = parsed.usage ?? facts.usage;
      if (!facts.isFalseEnd) {
        facts.finishReason = choice?.finish_reason ?? facts.finishReason;
      }
      if (dropsUsage && parsed.choices?.length === 0 && parsed.usage) {
        continue;
      }
    }
    if (facts.isFalseEnd) {
      break;
    }
    kept.push(event);
  }
  return { out: Buffer.concat(kept).toString(), facts };
}

function tapped(body: Uint8Array, dropsUsage: boolean, random: Random) {
  const tap = createStreamTap({ dropsUsage });
  const framer = createEventFramer(1 << 20);
  const out: Uint8Array[] = [];
  const sizeMax = pick(random, [1, 3, 40, 400, body.length]);
  for (let at = 0; at < body.length && !tap.facts.isFalseEnd; ) {
    const size = 1 + Math.floor(random.next() * sizeMax);
    const block = framer.push(body.slice(at, at + size));
    if (block.length > 0) {
      out.push(tap.inspect(block));
    }
    at += size;
  }
  const { usage, ...facts } = tap.facts;
  const parsed = usage === undefined ? undefined : JSON.parse(new TextDecoder().decode(usage));
  return { out: Buffer.concat(out).toString(), facts: { ...facts, usage: parsed } };
}

describe("a stream on its way through", () => {
  for (const dropsUsage of [false, true]) {
    test(`is the oracle's, however it is written and cut (drops usage: ${dropsUsage})`, () => {
      for (let seed = 0; seed < rounds; seed += 1) {
        const random = seededRandom(seed);
        const text = streamOf(random);
        const body = new TextEncoder().encode(text);
        const expected = oracle(body, dropsUsage);
        const seen = tapped(body, dropsUsage, random);
        expect({ seed, text, out: seen.out }).toEqual({ seed, text, out: expected.out });
        // What an event after the end would have said is not looked at by both.
        const { choiceEvents: _a, usage: _b, ...facts } = expected.facts;
        expect({ seed, text, ...seen.facts }).toMatchObject({ seed, text, ...facts });
        if (!facts.isFalseEnd) {
          expect({ seed, ...seen.facts }).toEqual({ seed, ...expected.facts });
        }
      }
    });
  }
});
