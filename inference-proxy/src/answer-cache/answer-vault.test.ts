import { afterEach, describe, expect, test } from "bun:test";
import { silentLogger, systemClock } from "@warmpath/runtime/base";
import {
  type FakeEngine,
  otherTenantKey,
  startFakeEngine,
  startTestProxy,
  type TestProxy,
} from "../testing/index.ts";
import type { Replica } from "../upstream/pool.ts";
import { type AnswerVault, readVaulted, writeVaulted } from "./answer-vault.ts";
import { createRedisVault } from "./redis-vault.ts";

/*
 * Goal: an answer that one proxy has kept is another's, too, and whatever is wrong with that is a
 * miss. Method: entries by hand; two proxies over one store, in memory and in Redis.
 */

const url = process.env["WARMPATH_TEST_REDIS_URL"];
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) {
    await close();
  }
});

describe("an entry", () => {
  const path = "/v1/chat/completions";
  const replica = { address: { name: "a:1" } } as Replica;
  const bytes = new Uint8Array(Buffer.from('{"text":"one\\ntwo"}\n'));
  const answer = {
    path,
    isStream: false,
    contentType: "application/json",
    replica,
    bytes,
  } as const;
  const entry = writeVaulted(answer, 1000);
  const want = {
    path,
    nowMs: 1500,
    ttlMs: 1000,
    findReplica: (name: string) => (name === "a:1" ? replica : undefined),
  } as const;

  test("is read as it was written, with its age", () => {
    expect(readVaulted(entry, want)).toEqual({ answer, ageMs: 500 });
    expect(readVaulted(entry, { ...want, nowMs: 900 })?.ageMs).toBe(0);
  });

  test("that is too old, another path's, an unknown replica's or broken is a miss", () => {
    expect(readVaulted(entry, { ...want, nowMs: 2000 })).toBeUndefined();
    expect(readVaulted(entry, { ...want, path: "/v1/completions" })).toBeUndefined();
    expect(readVaulted(entry, { ...want, findReplica: () => undefined })).toBeUndefined();
    for (const text of ["", "\n", "{}\nx", "null\nx", "[1]\nx", '{"v":2}\nx', "{".repeat(9000)]) {
      expect(readVaulted(Buffer.from(text), want)).toBeUndefined();
    }
  });
});

/** A store of the test's, for as many proxies as want it. */
function memoryVault(): AnswerVault {
  const entries = new Map<string, Uint8Array>();
  return {
    find: async (key) => entries.get(key),
    keep: (key, bytes) => void entries.set(key, bytes),
    close: () => undefined,
  };
}

function redisVault(at = url ?? "", bytesMax = 1 << 20): AnswerVault {
  const keyPrefix = `warmpath-test-${crypto.randomUUID()}:`;
  return createRedisVault({ url: at, clock: systemClock, log: silentLogger, keyPrefix, bytesMax });
}

function answeringEngine(): FakeEngine {
  const engine = startFakeEngine();
  engine.answer = () =>
    Response.json({
      id: "x",
      object: "chat.completion",
      model: "tiny",
      choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
    });
  closers.push(() => engine.stop());
  return engine;
}

async function proxyWith(engine: FakeEngine, answerVault: AnswerVault): Promise<TestProxy> {
  const proxy = await startTestProxy([engine], {}, { answerVault });
  proxy.keys.set(otherTenantKey, 0);
  closers.push(() => proxy.close());
  return proxy;
}

async function ask({ post }: TestProxy, question: string, headers = {}, more = {}) {
  const body = { model: "tiny", messages: [{ role: "user", content: question }], ...more };
  const init = { headers: { "x-warmpath-cache": "exact", ...headers } };
  const response = await post("/v1/chat/completions", body, init);
  return { cache: response.headers.get("x-warmpath-cache"), text: await response.text() };
}

/** Asks until the answer is no miss: keeping it takes a moment that nobody waits for. */
async function askUntilHit(proxy: TestProxy, question: string) {
  for (let round = 0; round < 100; round += 1) {
    const answered = await ask(proxy, question);
    if (answered.cache !== "miss") {
      return answered;
    }
    await Bun.sleep(10);
  }
  throw new Error("it was never found");
}

function sharing(name: string, openVault: () => AnswerVault, skip: boolean): void {
  describe.skipIf(skip)(`answers that proxies share in ${name}`, () => {
    test("one proxy's answer is another's hit, in any form, and only its tenant's", async () => {
      const engine = answeringEngine();
      const vault = openVault();
      const first = await proxyWith(engine, vault);
      const second = await proxyWith(engine, vault);
      const kept = await ask(first, "q");
      expect(kept.cache).toBe("miss");
      // As the other one sees it: the store has it by now.
      await Bun.sleep(20);
      expect(await askUntilHit(second, "q")).toEqual({ cache: "hit", text: kept.text });
      const seen = engine.seen.length;
      const stream = await ask(second, "q", {}, { stream: true });
      expect([stream.cache, stream.text.includes("data: [DONE]")]).toEqual(["hit", true]);
      expect(engine.seen.length).toBe(seen);
      const stranger = { authorization: `Bearer ${otherTenantKey}` };
      expect((await ask(first, "q", stranger)).cache).toBe("miss");
      expect((await ask(second, "another")).cache).toBe("miss");
    });
  });
}

sharing("memory", memoryVault, false);
sharing("Redis", () => redisVault(), url === undefined);

describe("Redis", () => {
  test("that is away is a miss, and asked again only now and then", async () => {
    const vault = redisVault("redis://127.0.0.1:1");
    closers.push(() => vault.close());
    expect(await vault.find("x")).toBeUndefined();
    vault.keep("x", new Uint8Array(3), 1000);
    const engine = answeringEngine();
    const proxy = await proxyWith(engine, vault);
    expect((await ask(proxy, "q")).cache).toBe("miss");
    expect((await ask(proxy, "q")).cache).toBe("hit");
  });

  test("that comes late is told nothing of what came while it was away", async () => {
    const held = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    const { port } = held;
    held.stop(true);
    const vault = redisVault(`redis://127.0.0.1:${port}`);
    closers.push(() => vault.close());
    expect(await vault.find("x")).toBeUndefined();
    vault.keep("x", Buffer.from("kept too late"), 1000);
    let heard = "";
    const late = Bun.listen({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (socket, data) => {
          heard += Buffer.from(data).toString();
          socket.write(heard.includes("HELLO") && heard.length < 200 ? "%0\r\n" : "+OK\r\n");
        },
      },
    });
    closers.push(() => late.stop(true));
    for (let round = 0; round < 400 && heard === ""; round += 1) {
      await Bun.sleep(10);
    }
    await Bun.sleep(50);
    expect(heard).toContain("HELLO");
    expect(heard).not.toContain("answer");
  });

  test.skipIf(url === undefined)("keeps no more than it may, and nothing for longer", async () => {
    const vault = redisVault(url, 2000);
    closers.push(() => vault.close());
    // A period of its own for each run: half of the bound, 1,000 bytes, may be written in it.
    const ttlMs = 3_600_000 + Math.floor(performance.now());
    const foundOf = async (key: string) => (await vault.find(key))?.byteLength;
    vault.keep("one", new Uint8Array(600), ttlMs);
    vault.keep("two", new Uint8Array(600), ttlMs);
    for (let round = 0; round < 100 && (await foundOf("one")) === undefined; round += 1) {
      await Bun.sleep(5);
    }
    expect([await foundOf("one"), await foundOf("two")]).toEqual([600, undefined]);
    vault.keep("brief", new Uint8Array(5), 40);
    await Bun.sleep(120);
    expect(await foundOf("brief")).toBeUndefined();
  });
});
