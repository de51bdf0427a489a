import { afterEach, expect, test } from "bun:test";
import { createMetrics, tracingOff } from "@warmpath/runtime";
import {
  loadConfig,
  seededRandom,
  silentLogger,
  systemClock,
  WarmpathError,
} from "@warmpath/runtime/base";
import { type InferenceProxyConfig, inferenceProxyOptions } from "../config.ts";
import { createMeans, type Means } from "../means.ts";
import { noPrompt } from "../prompt/index.ts";
import { chunk, type FakeEngine, startFakeEngine, streamOf } from "../testing/index.ts";
import type { OpenCall } from "./end-call.ts";
import { openCall } from "./open-call.ts";
import type { CallRequest } from "./types.ts";

/*
 * Goal: whatever happens between a call's beginning and its end, its place and its limits are given
 * back once, and nobody goes on reading for it. Method: real means before an engine of the test's,
 * without the HTTP edge.
 */

const body = new Uint8Array(Buffer.from('{"model":"tiny","messages":[]}'));
let engine: FakeEngine;
let means: Means;

afterEach(async () => {
  await means.close();
  await engine.stop();
});

function setUp(config: Partial<InferenceProxyConfig>): void {
  engine = startFakeEngine();
  means = createMeans({
    config: {
      ...loadConfig(inferenceProxyOptions, { env: {} }),
      upstreams: [engine.url],
      kvEventsDiscovered: false,
      ...config,
    },
    log: silentLogger,
    clock: systemClock,
    random: seededRandom(1),
    metrics: createMetrics("inference-proxy"),
    tracing: tracingOff,
    secrets: { variable: () => undefined, file: () => "" },
  });
  means.call.pool.update(engine.name, {
    healthy: true,
    models: [{ id: "tiny", contextTokens: 0 }],
  });
}

async function open(signal: AbortSignal, more: Partial<CallRequest> = {}): Promise<OpenCall> {
  const call = await openCall(means.call, {
    requestId: "r",
    caller: { tenant: "t", user: "u", keyId: "k", requestsPerMinute: 0 },
    operation: "chat",
    path: "/v1/chat/completions",
    model: "tiny",
    isStream: true,
    dropsUsage: false,
    lane: "standard",
    bodyFor: () => body,
    bodyBytes: body.length,
    engineHeaders: undefined,
    answerTokensMax: undefined,
    prompt: noPrompt,
    taskId: "",
    sessionId: "",
    signal,
    ...more,
  });
  if (call.kind === "fault") {
    throw new Error(call.error.message);
  }
  return call;
}

const inFlight = () => means.placer.inFlight(engine.name);

test("an answer that outgrew what was reserved is not read on for a caller who has left", async () => {
  setUp({ limits: ["tenant=t tokens-out/min=10000"], limitTopUpTokens: 1 });
  const answer = Array.from({ length: 20 }, () => chunk({ content: "a" })).join("");
  engine.answer = () => streamOf([answer, answer], { hangsAtEnd: true });
  for (const isPushed of [false, true]) {
    const caller = new AbortController();
    const call = await open(caller.signal, { answerTokensMax: 1 });
    caller.abort();
    expect(inFlight()).toBe(0);
    if (call.answer.kind !== "stream") {
      throw new Error("it streams");
    }
    const { events } = call.answer;
    let told = 0;
    if (isPushed) {
      events.flow?.({ onEvents: () => (told += 1), onRead: () => {}, onEnd: () => {} });
    } else {
      // What is in hand may still come; what matters is that it comes to an end.
      while ((await events.next().catch(() => undefined)) !== undefined && told < 10) told += 1;
    }
    expect(told).toBeLessThan(3);
    expect(inFlight()).toBe(0);
  }
});

test("a caller who takes nothing for ever is given up, and the engine and the place with it", async () => {
  setUp({ heldUpMsMax: 60 });
  for (const isPushed of [false, true]) {
    engine.answer = () =>
      streamOf([chunk({ content: "a" }), chunk({ content: "b" })], { hangsAtEnd: true });
    const call = await open(new AbortController().signal);
    if (call.answer.kind !== "stream") {
      throw new Error("it streams");
    }
    const { events } = call.answer;
    const ended = Promise.withResolvers<unknown>();
    const left = engine.left;
    if (isPushed) {
      events.flow?.({
        onEvents: () => events.pause?.(),
        onRead: () => undefined,
        onEnd: (error) => ended.resolve(error),
      });
      expect(await ended.promise).toMatchObject({ reason: "evicted-slow-consumer" });
    } else {
      await events.next();
    }
    for (let round = 0; inFlight() > 0 || engine.left === left; round += 1) {
      if (round === 200) throw new Error("it still holds its place");
      await Bun.sleep(10);
    }
    await expect(events.next()).rejects.toThrow("nobody reads");
  }
});

test("a caller who reads slowly, or waits for the engine, is not given up", async () => {
  setUp({ heldUpMsMax: 120 });
  engine.answer = () =>
    streamOf(
      [1, 2, 3, 4].map(() => chunk({ content: "a" }, "stop")),
      { pauseMs: 160 },
    );
  const { answer } = await open(new AbortController().signal);
  if (answer.kind !== "stream") {
    throw new Error("it streams");
  }
  let events = 0;
  while ((await answer.events.next()) !== undefined) {
    events += 1;
    await Bun.sleep(40);
  }
  expect(events).toBeGreaterThan(1);
});

test("a place is given back though whoever is told of a cut answer throws", async () => {
  setUp({});
  engine.answer = () => streamOf([chunk({ content: "a" })]);
  const call = await open(new AbortController().signal);
  means.call.pool.onChange(() => {
    throw new Error("a listener's fault");
  });
  const note = means.call.breakers.note.bind(means.call.breakers);
  Object.assign(means.call.breakers, {
    note: (attempt: Parameters<typeof note>[0]) => {
      note(attempt);
      means.call.pool.update(engine.name, {});
    },
  });
  const cut = new WarmpathError("failed-upstream-cut", "it broke");
  expect(() => call.end(cut)).toThrow("a listener's fault");
  expect(inFlight()).toBe(0);
});
