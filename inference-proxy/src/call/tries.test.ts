import { describe, expect, test } from "bun:test";
import { createMetrics } from "@warmpath/runtime";
import { systemClock } from "@warmpath/runtime/base";
import { createRetryBudget } from "../breakers/index.ts";
import { createReplicaPaces } from "../learn/index.ts";
import { createInferenceProxyMetrics } from "../metrics.ts";
import type { FailureKind } from "../upstream/failure.ts";
import { createPool } from "../upstream/pool.ts";
import { createTries } from "./tries.ts";

function setUp(deadlineInMs?: number, firstEventMs = 1000) {
  const clock = { ...systemClock, monotonicMs: () => 0 };
  const address = {
    name: "a",
    baseUrl: "http://a",
    authorization: undefined,
    origin: undefined,
    pathPrefix: "",
  };
  const pool = createPool({ addresses: [address], inFlightMax: 10 });
  pool.update("a", { healthy: true, models: [{ id: "m", contextTokens: 0 }] });
  const paces = createReplicaPaces();
  paces.learn("a", { firstEventMs, interTokenMs: undefined });
  const limits = { share: 0, reserve: 10, perSecond: 0 };
  const retries = createRetryBudget({ limits, clock });
  const metrics = createInferenceProxyMetrics(createMetrics("inference-proxy"));
  const means = { retries, metrics, clock, pool, paces };
  const request = {
    model: "m",
    ...(deadlineInMs === undefined ? {} : { deadlineAtMs: deadlineInMs }),
  };
  const tries = createTries(means, { attemptsMax: 3, deathsMax: 2 }, request, 0);
  const fail = (kind: FailureKind) =>
    tries.mayRetryAfter({ kind, message: "", retryAfterMs: undefined });
  return { tries, fail, retries };
}

describe("createTries()", () => {
  test("refused connections cost nothing: they use up neither tries nor the budget", () => {
    const { fail, retries } = setUp();
    for (let count = 0; count < 20; count += 1) {
      expect(fail("unreachable")).toBe(true);
      expect(fail("leaving")).toBe(true);
    }
    expect(retries.left).toBe(10);
    expect([fail("busy"), fail("busy"), fail("busy")]).toEqual([true, true, false]);
    expect(retries.left).toBe(8);
  });

  test("the second blow that the request itself may have dealt is the last", () => {
    for (const kind of ["died", "failed", "garbled", "timeout"] as const) {
      const { fail } = setUp();
      expect([fail(kind), fail(kind)]).toEqual([true, false]);
    }
    expect(setUp().fail("refused")).toBe(false);
  });

  test("nothing is tried again that could not begin before the caller's deadline", () => {
    expect(setUp(2000).fail("busy")).toBe(true);
    expect(setUp(500).fail("busy")).toBe(false);
  });
});
