import { expect, test } from "bun:test";
import { createMetrics } from "@warmpath/runtime";
import { seededRandom, silentLogger } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { type BreakerLimits, createBreakers } from "../breakers/index.ts";
import { breakerMetrics } from "../breakers/metrics.ts";
import { createPool } from "./pool.ts";
import { startRecovery } from "./recovery.ts";
import { parseReplicaAddresses } from "./replica.ts";

const limits: BreakerLimits = {
  windowMs: 10_000,
  requestsMin: 4,
  failureShare: 0.5,
  slowFactor: 8,
  slowMsMin: 5000,
  cooldownMs: 50,
  cooldownMsMax: 100,
  trialsMax: 2,
};

/* Goal: whatever happens when a replica comes back, it comes back. */

test("a listener of the pool that throws keeps no replica out", async () => {
  const clock = createManualClock();
  const pool = createPool({
    addresses: parseReplicaAddresses(["http://a:1"], undefined),
    inFlightMax: 1,
  });
  pool.onChange(() => {
    throw new Error("a listener's fault");
  });
  const breakers = createBreakers({ limits, clock, random: seededRandom(1) });
  const faults: unknown[] = [];
  let trials = 0;
  const recovery = startRecovery({
    pool,
    breakers,
    limits: { canaryTimeoutMs: 1000 },
    clock,
    log: { ...silentLogger, error: (_, fields) => faults.push(fields?.["error"]) },
    metrics: breakerMetrics(createMetrics("inference-proxy")),
    onTrial: () => {
      trials += 1;
    },
  });
  const fail = () =>
    breakers.note({
      replica: "a:1",
      model: "m",
      sentAtMs: clock.monotonicMs(),
      failure: { scope: "gone", kind: "leaving" },
      firstEventMs: undefined,
    });
  for (let round = 1; round <= 2; round += 1) {
    fail();
    expect(breakers.openUntilMs("a:1")).toBeNumber();
    for (let tick = 0; tick < 10 && trials < round; tick += 1) {
      await clock.advance(20);
    }
    expect([trials, faults.length]).toEqual([round, round]);
  }
  recovery.close();
});
