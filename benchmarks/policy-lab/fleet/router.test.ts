import { describe, expect, test } from "bun:test";
import { finite, policyOf, run } from "../testing/small-cell.ts";
import type { RoutedRequest } from "../types.ts";

describe("router", () => {
  test("what is held is asked for again, and counted as waiting", () => {
    const policy = policyOf("patient", () => {
      const since = new Map<number, number>();
      return {
        place: ({ id }, _, nowMs) => {
          if (!since.has(id)) since.set(id, nowMs);
          return nowMs - (since.get(id) ?? 0) >= 450 ? 0 : "hold";
        },
      };
    });
    const cell = run({
      policy,
      workload: finite(3, 1),
      spec: { replicas: 1, demand: 0.1, warmupMs: 0, measuredMs: 60_000 },
    });
    expect(cell.conservation).toEqual({ sent: 3, ended: 3, underWay: 0 });
    expect(cell.held.turns).toBe(3);
    // Asked again every 100 ms and at each scrape.
    expect(cell.held.heldMs.sum).toBeGreaterThanOrEqual(3 * 450);
    expect(cell.held.heldMs.max).toBeLessThanOrEqual(550);
  });

  test("a policy that never lets go is stopped, with its name", () => {
    const policy = policyOf("stuck", () => ({ place: () => "hold" }));
    const spec = { replicas: 1, warmupMs: 0, measuredMs: 3_600_000 };
    expect(() => run({ policy, workload: finite(1, 1), spec })).toThrow(/"stuck" holds 1 request/);
  });

  test("a policy that chooses a replica that is not there is stopped", () => {
    const policy = policyOf("lost", () => ({ place: () => 99 }));
    expect(() => run({ policy })).toThrow(/"lost" chose replica 99/);
  });

  test("only oracles see how long an answer will be", () => {
    const seen: RoutedRequest[] = [];
    const place = (request: RoutedRequest) => {
      seen.push(request);
      return 0;
    };
    const spec = { replicas: 1, warmupMs: 0, measuredMs: 10_000 };
    run({ policy: policyOf("blind", () => ({ place })), workload: finite(1, 1), spec });
    run({
      policy: { ...policyOf("seer", () => ({ place })), isOracle: true },
      workload: finite(1, 1),
      spec,
    });
    expect(seen.map(({ outputTokens }) => outputTokens)).toEqual([undefined, 16]);
  });

  test("scraped figures are as old as the scrape, KV events as late as their lag", () => {
    const ages: number[] = [];
    let lastEventMs = 0;
    const policy = policyOf("reading", () => ({
      place: (_, [view], nowMs) => {
        if ((view?.running ?? 0) > 0) ages.push(nowMs);
        return 0;
      },
      onCacheEvents: (_replica, _events, nowMs) => {
        lastEventMs = nowMs;
      },
    }));
    run({
      policy,
      scenario: { scrapeMs: 4000, eventLagMs: 3000 },
      spec: { replicas: 1, warmupMs: 0, measuredMs: 10_000 },
    });
    expect(Math.min(...ages)).toBeGreaterThanOrEqual(4000);
    expect(lastEventMs).toBeLessThan(10_000);
  });

  test("lost events are lost for good", () => {
    const count = (eventLoss: number) => {
      let events = 0;
      const policy = policyOf("counting", () => ({
        place: () => 0,
        onCacheEvents: () => {
          events += 1;
        },
      }));
      run({ policy, scenario: { eventLoss }, spec: { replicas: 1 } });
      return events;
    };
    const all = count(0);
    expect(count(1)).toBe(0);
    expect(count(0.5) / all).toBeGreaterThan(0.4);
    expect(count(0.5) / all).toBeLessThan(0.6);
  });
});
