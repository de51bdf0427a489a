import { expect, test } from "bun:test";
import { createMetrics, tracingOff } from "@warmpath/runtime";
import { loadConfig, seededRandom, silentLogger, systemClock } from "@warmpath/runtime/base";
import { inferenceProxyOptions } from "../config.ts";
import { createMeans } from "../means.ts";
import { noPrompt } from "../prompt/index.ts";
import { SessionGate, stopRest } from "../sessions/index.ts";
import { chunk, startFakeEngine, streamOf } from "../testing/index.ts";
import { openCall } from "./open-call.ts";
import { unserved } from "./placement.ts";
import type { CallRequest } from "./types.ts";

const body = new Uint8Array(Buffer.from('{"model":"tiny","messages":[]}'));

function requestFor(signal: AbortSignal, isStream: boolean): CallRequest {
  return {
    requestId: "r",
    caller: { tenant: "t", user: "u", keyId: "k", requestsPerMinute: 0 },
    operation: "chat",
    path: "/v1/chat/completions",
    model: "tiny",
    isStream,
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
  };
}

test("a burst of retries says nothing of how soon people go on after an answer", () => {
  const turn = { parentId: undefined, keys: [1, 2, 3, 4], chunks: 4, chunkTokens: 100 };
  const gate = new SessionGate(1);
  const served = { cachedTokens: undefined, promptTokens: undefined };
  for (let session = 0; session < 100; session += 1) {
    const failed = { ...turn, sessionId: `s${session}` };
    gate.consider(failed, session);
    gate.end(gate.admit(failed, 0), { ...served, rest: unserved.rest }, session);
    gate.consider(failed, session + 1);
    gate.end(gate.admit(failed, 0), { ...served, rest: unserved.rest }, session + 1);
  }
  const later = 1_000_000;
  const other = { ...turn, sessionId: "other" };
  gate.consider(other, later);
  gate.end(gate.admit(other, 0), { ...served, rest: stopRest }, later);
  // Half of those who got an answer are believed to go on until more is known.
  expect(gate.usedTokens(0)).toBe(200);
});

test("callers that leave in one step, as with their connection, leave nobody at the engine", async () => {
  const engine = startFakeEngine();
  engine.answer = () => streamOf([chunk({ content: "a" })], { hangsAtEnd: true });
  const means = createMeans({
    config: {
      ...loadConfig(inferenceProxyOptions, { env: {} }),
      upstreams: [engine.url],
      replicaInFlightMax: 1,
      kvEventsDiscovered: false,
    },
    log: silentLogger,
    clock: systemClock,
    random: seededRandom(1),
    metrics: createMetrics("inference-proxy"),
    tracing: tracingOff,
    secrets: { variable: () => undefined, file: () => "" },
  });
  const { call, placer } = means;
  const facts = { healthy: true, models: [{ id: "tiny", contextTokens: 0 }] };
  call.pool.update(engine.name, facts);
  const first = new AbortController();
  const second = new AbortController();
  await openCall(call, requestFor(first.signal, true));
  const queued = openCall(call, requestFor(second.signal, false)).then(
    () => "opened",
    (error: unknown) => String(error),
  );
  while (call.placement.waiting === 0) {
    await Bun.sleep(1);
  }
  expect(call.placement.waiting).toBe(1);
  engine.answer = () => new Promise(() => undefined);
  // The place of the first is the second's at once, who is gone before it can take it.
  first.abort();
  expect(call.placement.waiting).toBe(0);
  expect(placer.inFlight(engine.name)).toBe(1);
  second.abort();
  const late = await Promise.race([queued, Bun.sleep(500).then(() => "still there")]);
  expect(late).not.toBe("still there");
  expect(placer.inFlight(engine.name)).toBe(0);
  expect(engine.seen.length).toBe(1);
  await means.close();
  await engine.stop();
});
