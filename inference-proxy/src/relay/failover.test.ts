import { afterEach, describe, expect, test } from "bun:test";
import { parseModelFailover } from "../call/failover.ts";
import {
  type FakeEngine,
  helloStream,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
} from "../testing/index.ts";

/*
 * Goal: when the last replica of a model is gone, the declared one answers, and says so. Method: an
 * engine for each of two models; the larger one's is stopped and started.
 */

const opened: (FakeEngine | TestProxy)[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await ("stop" in each ? each.stop() : each.close());
  }
});

function engine(model: string, port = 0): FakeEngine {
  const started = startFakeEngine({ models: [model], port });
  started.answer = () => streamOf(helloStream);
  opened.push(started);
  return started;
}

async function setUp(modelFailoverWaitMs: number, limits: readonly string[] = []) {
  const large = engine("large");
  const small = engine("small");
  const proxy = await startTestProxy([large, small], {
    modelFailover: ["large=small"],
    modelFailoverWaitMs,
    limits,
  });
  opened.push(proxy);
  const ask = async (model: string) => {
    const messages = [{ role: "user", content: "hi" }];
    const response = await proxy.post("/v1/chat/completions", { model, messages, stream: true });
    await response.text();
    return {
      status: response.status,
      replica: response.headers.get("x-warmpath-replica"),
      fallback: response.headers.get("x-warmpath-model-fallback"),
    };
  };
  const left = async (model: string) => {
    const messages = [{ role: "user", content: "hi" }];
    const response = await proxy.post("/v1/chat/completions", { model, messages, stream: true });
    await response.text();
    return Number(response.headers.get("x-ratelimit-remaining-requests"));
  };
  return { large, small, proxy, ask, left };
}

describe("a model without a healthy replica", () => {
  test("is stood in for after the stated wait, by name, and no longer than needed", async () => {
    const { large, small, proxy, ask } = await setUp(200);
    expect(await ask("large")).toEqual({ status: 200, replica: large.name, fallback: null });
    await large.stop();
    // Requests that come during the wait are answered too: they wait for the decision.
    for (const answer of await Promise.all([ask("large"), ask("large")])) {
      expect(answer).toEqual({ status: 200, replica: small.name, fallback: "small" });
    }
    const seen = small.seen.map(({ body }) => JSON.parse(body).model);
    expect(seen).toEqual(["small", "small"]);
    expect(/model_failovers_total\{[^}]*\} 2/.test(await proxy.metrics.text())).toBe(true);
    const back = engine("large", Number(large.name.split(":")[1]));
    while ((await ask("large")).fallback !== null) {
      await Bun.sleep(10);
    }
    expect(back.seen.length).toBeGreaterThan(0);
  });

  test("that comes back during the wait answers itself", async () => {
    const { large, ask } = await setUp(5000);
    await large.stop();
    const waiting = ask("large");
    await Bun.sleep(50);
    engine("large", Number(large.name.split(":")[1]));
    expect(await waiting).toEqual({ status: 200, replica: large.name, fallback: null });
  });

  test("costs a request once, whichever model answers", async () => {
    const { large, ask, left } = await setUp(100, ["key=* requests/day=100"]);
    expect(await left("small")).toBe(99);
    await large.stop();
    expect((await ask("large")).fallback).toBe("small");
    expect(await left("small")).toBe(97);
  });

  test("keeps its caller's places while it waits for the decision", async () => {
    const { large, ask } = await setUp(400, ["key=* concurrency=1"]);
    await large.stop();
    const waiting = ask("large");
    await Bun.sleep(100);
    expect((await ask("small")).status).toBe(429);
    expect(await waiting).toMatchObject({ status: 200, fallback: "small" });
    expect((await ask("small")).status).toBe(200);
  });

  test("is refused as ever where nothing is declared for it", async () => {
    const { small, ask } = await setUp(10);
    await small.stop();
    expect((await ask("small")).status).toBe(503);
  });
});

test("declarations are read with all their faults at once", () => {
  expect([...parseModelFailover(["a=b", "b=c"])]).toEqual([
    ["a", "b"],
    ["b", "c"],
  ]);
  expect(() => parseModelFailover(["a=b", "b=a", "c", "d="])).toThrow(
    /"c" is not .*"d=" is not .*"a" would stand in for itself/,
  );
});
