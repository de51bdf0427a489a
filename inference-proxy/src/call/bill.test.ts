import { afterEach, describe, expect, test } from "bun:test";
import {
  chunk,
  done,
  type FakeEngine,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  usageChunk,
} from "../testing/index.ts";

/* Goal: what a call costs, as callers are told it. Method: a whole proxy over sockets, with a price. */

const choices = [{ index: 0, message: { content: "hi" }, finish_reason: "stop" }];
const usage = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14 };
let engine: FakeEngine;
let proxy: TestProxy;

afterEach(async () => {
  await proxy.close();
  await engine.stop();
});

async function setUp(answer: FakeEngine["answer"]) {
  engine = Object.assign(startFakeEngine(), { answer });
  proxy = await startTestProxy([engine], { prices: ["tiny=1000/100/2000"] });
  const messages = [{ role: "user", content: "hi" }];
  const ask = (init: RequestInit, stream = false) =>
    proxy.post("/v1/chat/completions", { model: "tiny", messages, max_tokens: 8, stream }, init);
  return { engine, proxy, ask };
}

describe("the bill", () => {
  const headers = { "x-session-id": "s1", "x-warmpath-agent": "planner" };

  test("is in the headers of a whole answer, the session's total beside it", async () => {
    const { ask } = await setUp(() => Response.json({ id: "x", choices, usage }));
    const first = await ask({ headers });
    expect(first.headers.get("x-warmpath-cost-nanodollars")).toBe("18000");
    const second = await ask({ headers });
    expect(second.headers.get("x-warmpath-session-cost-nanodollars")).toBe("36000");
  });

  test("ends a stream as a comment for those who ask", async () => {
    const { ask } = await setUp(() =>
      streamOf([chunk({ content: "x" }, "stop"), usageChunk(10, 4), done]),
    );
    const told = { ...headers, "x-warmpath-explain": "1" };
    const text = await (await ask({ headers: told }, true)).text();
    expect(text).toEndWith(
      "data: [DONE]\n\n: x-warmpath-cost-nanodollars: 18000\n: x-warmpath-session-cost-nanodollars: 18000\n: x-warmpath-cached-tokens: 0\n: x-warmpath-usage-estimated: false\n\n",
    );
    const silent = await (await ask({ headers }, true)).text();
    expect(silent).toEndWith("data: [DONE]\n\n");
  });

  test("counts the prompt of a caller that left while the engine was at it", async () => {
    const { engine, proxy, ask } = await setUp(() => new Promise(() => undefined));
    const leaving = new AbortController();
    const left = ask({ signal: leaving.signal, headers }).catch(() => undefined);
    while (engine.seen.length === 0) {
      await Bun.sleep(5);
    }
    leaving.abort();
    await left;
    const cost = async () =>
      Number(/proxy_cost_nanodollars_total\{.*\} (\d+)/.exec(await proxy.metrics.text())?.[1] ?? 0);
    for (let round = 0; round < 100 && (await cost()) === 0; round += 1) {
      await Bun.sleep(10);
    }
    expect(await cost()).toBeGreaterThan(10_000);
  });
});
