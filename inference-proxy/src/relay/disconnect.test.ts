import { afterEach, describe, expect, test } from "bun:test";
import { testPrincipal } from "@warmpath/runtime/testing";
import {
  chunk,
  type FakeEngine,
  helloStream,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  usageChunk,
} from "../testing/index.ts";

/*
 * Goal: a client that leaves frees its place at once, in whatever state its request is. Method:
 * leave in each state; look at what the engine saw and at what the proxy counts.
 */

const ask = { model: "tiny", messages: [{ role: "user", content: "hi" }], stream: true };
const never = () => new Promise<Response>(() => undefined);

let engine: FakeEngine;
let proxy: TestProxy;

afterEach(async () => {
  await proxy.close();
  await engine.stop();
});

async function setUp(config: Parameters<typeof startTestProxy>[1] = {}) {
  engine = startFakeEngine();
  proxy = await startTestProxy([engine], config);
}

async function inFlight(): Promise<number | undefined> {
  const { replicas } = await proxy.inference.listReplicas({}, { principal: testPrincipal() });
  return replicas[0]?.inFlight;
}

async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 100; round += 1) {
    if (await holds()) {
      return;
    }
    await Bun.sleep(10);
  }
  throw new Error("it did not come true within a second");
}

describe("a client that leaves", () => {
  test("the queue never reaches the engine", async () => {
    await setUp({ replicaInFlightMax: 1 });
    engine.answer = never;
    const first = new AbortController();
    const second = new AbortController();
    const held = proxy.post("/v1/chat/completions", ask, { signal: first.signal });
    await eventually(() => engine.seen.length === 1);
    const queued = proxy.post("/v1/chat/completions", ask, { signal: second.signal });
    await eventually(async () =>
      (await proxy.metrics.text()).includes('queue_requests{service="inference-proxy"} 1'),
    );
    second.abort();
    expect(queued).rejects.toThrow();
    await eventually(async () =>
      (await proxy.metrics.text()).includes('queue_requests{service="inference-proxy"} 0'),
    );
    first.abort();
    expect(held).rejects.toThrow();
    await eventually(async () => (await inFlight()) === 0);
    expect(engine.seen.length).toBe(1);
  });

  const states: Record<string, { answer: FakeEngine["answer"]; stream: boolean }> = {
    "before the head": { answer: never, stream: true },
    "an answer that is not streamed": { answer: never, stream: false },
    "before the first event": {
      answer: () => streamOf([": ok\n\n"], { hangsAtEnd: true }),
      stream: true,
    },
  };
  for (const [title, { answer, stream }] of Object.entries(states)) {
    test(`${title} frees the engine and the place`, async () => {
      await setUp();
      engine.answer = answer;
      const client = new AbortController();
      const asked = proxy.post(
        "/v1/chat/completions",
        { ...ask, stream },
        { signal: client.signal },
      );
      await eventually(() => engine.seen.length === 1);
      await Bun.sleep(20);
      expect(await inFlight()).toBe(1);
      client.abort();
      expect(asked).rejects.toThrow();
      await eventually(() => engine.left === 1);
      expect(await inFlight()).toBe(0);
    });
  }

  test("the middle of a stream frees the engine and the place, and is billed for what it saw", async () => {
    await setUp({ prices: ["tiny=1000/100/2000"] });
    const events = Array.from({ length: 200 }, () => chunk({ content: "x" }));
    engine.answer = () =>
      streamOf([...events, chunk({}, "stop"), usageChunk(9, 200)], { pauseMs: 5 });
    const client = new AbortController();
    const response = await proxy.post("/v1/chat/completions", ask, { signal: client.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.read();
    client.abort();
    await eventually(() => engine.left === 1);
    await eventually(async () => (await inFlight()) === 0);
    const metrics = await proxy.metrics.text();
    expect(metrics).toMatch(/calls_total\{.*outcome="cancelled".*\} 1/);
    const output = Number(/tokens_total\{.*kind="output".*\} (\d+)/.exec(metrics)?.[1]);
    expect(output).toBeGreaterThanOrEqual(2);
    expect(output).toBeLessThan(100);
  });
});

describe("a client that reads slowly", () => {
  test("is not taken for an engine that fell silent", async () => {
    await setUp({ idleTimeoutMs: 150 });
    const big = chunk({ content: "x".repeat(400_000) });
    engine.answer = () => streamOf([...Array.from({ length: 20 }, () => big), ...helloStream]);
    const response = await proxy.post("/v1/chat/completions", ask);
    const reader = response.body?.getReader();
    await reader?.read();
    await Bun.sleep(500);
    let text = "";
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) {
        break;
      }
      text = new TextDecoder().decode(value).slice(-20);
    }
    expect(text).toEndWith("[DONE]\n\n");
  });
});
