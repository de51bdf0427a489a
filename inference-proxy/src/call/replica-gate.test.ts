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

function setUp() {
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
  const hearOf = (replica: string, headers = oneLeft) =>
    gates.hear(replica, 200, { get: (name) => headers[name] ?? null });
  return { clock, gates, hearOf };
}

test("a place that was given back before anything was sent there counts no longer", async () => {
  const { clock, gates, hearOf } = setUp();
  hearOf("a");
  const gate = gates.open(request, noReservation);
  // Booked twice, as a request is that has to wait for another suspect; sent and answered once.
  gate?.book("a");
  gate?.book("a");
  gate?.done();
  await clock.advance(10_000);
  expect(gate?.waitMs("a")).toBe(0);
});

test("what was sent before an upstream spoke of limits gives back nothing that others hold", () => {
  const { gates, hearOf } = setUp();
  hearOf("other");
  const early = gates.open(request, noReservation);
  early?.book("a");
  hearOf("a", { ...oneLeft, "x-ratelimit-remaining-requests": "2" });
  gates.open(request, noReservation)?.book("a");
  early?.done();
  // The second is under way yet: the one that is said to be left may be its own.
  hearOf("a");
  expect(early?.waitMs("a")).toBeGreaterThan(5000);
});
