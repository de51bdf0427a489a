import { expect, test } from "bun:test";
import { createManualClock } from "@warmpath/runtime/testing";
import { createTokenRatios } from "../learn/index.ts";
import { createAnswerEstimates, createLimiter, noReservation } from "../pace/index.ts";
import { noPrompt } from "../prompt/index.ts";
import { createReplicaGates } from "./replica-gate.ts";
import type { CallRequest } from "./types.ts";

const request: CallRequest = {
  requestId: "req_1",
  caller: { tenant: "acme", user: "alice", keyId: "k", requestsPerMinute: 0 },
  operation: "chat",
  path: "/v1/chat/completions",
  model: "tiny",
  isStream: true,
  dropsUsage: false,
  lane: "standard",
  bodyFor: () => new Uint8Array(),
  bodyBytes: 100,
  engineHeaders: undefined,
  answerTokensMax: 8,
  prompt: noPrompt,
  taskId: "",
  sessionId: "",
  signal: new AbortController().signal,
};

/** What an upstream says that takes one request in ten seconds. */
const oneLeft: Readonly<Record<string, string>> = {
  "x-ratelimit-limit-requests": "1",
  "x-ratelimit-remaining-requests": "1",
  "x-ratelimit-reset-requests": "10s",
};

test("a place that was given back before anything was sent there counts no longer", async () => {
  const clock = createManualClock();
  const limiter = createLimiter({ rules: [], clock, accountsMax: 1, topUpTokens: 16 });
  const gates = createReplicaGates({
    means: {
      ratios: createTokenRatios({ modelsMax: 1 }),
      prices: new Map(),
      answers: createAnswerEstimates({ namesMax: 1 }),
      limits: { answerTokensExpected: 8 },
    },
    limiter,
    watchdog: {
      watch: () => ({ touch: () => undefined, pause: () => undefined, stop: () => undefined }),
      close: () => undefined,
    },
    clock,
    wake: () => undefined,
  });
  gates.hear("a", 200, { get: (name) => oneLeft[name] ?? null });
  const gate = gates.open(request, noReservation);
  // Booked twice, as a request is that has to wait for another suspect; sent and answered once.
  gate?.book("a");
  gate?.book("a");
  gate?.done();
  await clock.advance(10_000);
  expect(gate?.waitMs("a")).toBe(0);
});
