import { describe, expect, test } from "bun:test";
import { tiny } from "../../engine/index.ts";
import { histogramOf } from "../aggregate.ts";
import { quantileOfHistogram } from "../histogram.ts";
import { policyNamed } from "../policies/index.ts";
import { workloadOf } from "../testing/plan-session.ts";
import { finite, policyOf, run, turnsIn } from "../testing/small-cell.ts";
import { createNominal } from "./nominal.ts";

describe("runCell()", () => {
  test("two replicas and two sessions come out as computed by hand", () => {
    const nominal = createNominal(tiny);
    const workload = finite(2);
    const sticky = policyOf("sticky", () => ({
      place: ({ sessionId }) => Number(sessionId.slice(1)),
    }));
    const cell = run({
      workload,
      policy: sticky,
      spec: { replicas: 2, demand: 0.7, warmupMs: 0, measuredMs: 60_000 },
      // A session grows to 352 tokens, 22 blocks.
      scenario: { blocks: 24 },
    });
    expect(cell.slots).toBe(2);
    expect(turnsIn(cell)).toBe(4);
    expect(cell.promptTokens).toBe(2 * (160 + 336));
    // The second turn finds prompt and answer of the first but for the token whose KV nobody
    // needed: 175 of 176 tokens are computed, 10 full blocks.
    expect(cell.hitTokens).toBe(2 * 160);
    expect(cell.boundTokens).toBe(2 * 176);
    const ttft = histogramOf([cell], ({ firstTurnTtftMs }) => firstTurnTtftMs);
    expect(ttft.count).toBe(2);
    // Steps jitter by 3 %, and now and then one hangs for some ms: hence the median.
    const prefillMs = nominal.prefillMs(160, 160);
    expect(Math.abs(quantileOfHistogram(ttft, 0.5) / prefillMs - 1)).toBeLessThan(0.1);
    const turns = histogramOf([cell], ({ turnMs }) => turnMs);
    const expectedMs = nominal.turnMs({ promptTokens: 336, cachedTokens: 160, outputTokens: 16 });
    expect(Math.abs(quantileOfHistogram(turns, 0.5) / expectedMs - 1)).toBeLessThan(0.05);
    expect(histogramOf([cell], ({ jctMs }) => jctMs).count).toBe(2);
  });

  test("the same seed gives the same result, another seed another one", () => {
    const once = run({ policy: policyNamed("power-of-two") });
    expect(run({ policy: policyNamed("power-of-two") })).toEqual(once);
    const other = run({ policy: policyNamed("power-of-two"), spec: { seed: 2 } });
    expect(other.promptTokens).not.toBe(once.promptTokens);
  });

  for (const regime of ["saturation", "open"] as const) {
    test(`${regime}: every turn that was sent has ended or is under way`, () => {
      const cell = run({ spec: { regime } });
      const { sent, ended, underWay } = cell.conservation;
      expect(sent).toBe(ended + underWay);
      expect(ended).toBeGreaterThan(100);
      expect(cell.jobsPerSecond).toBeGreaterThan(0);
      expect(cell.aborts).toBeGreaterThan(0);
    });
  }

  test("a finite workload is played to its end, each turn once", () => {
    const ended = new Map<string, number>();
    const policy = policyOf("counting", () => {
      const keys = new Map<number, string>();
      return {
        place: ({ id, sessionId, turn }) => {
          keys.set(id, `${sessionId}/${turn}`);
          return 0;
        },
        onEnded: (id) => {
          const key = keys.get(id) ?? "";
          ended.set(key, (ended.get(key) ?? 0) + 1);
        },
      };
    });
    const cell = run({
      policy,
      workload: finite(5, 7),
      spec: { replicas: 1, demand: 0.2, warmupMs: 0, measuredMs: 600_000 },
    });
    expect(cell.conservation).toEqual({ sent: 35, ended: 35, underWay: 0 });
    expect([...ended.values()]).toEqual(Array.from({ length: 35 }, () => 1));
  });

  for (const policy of ["random", "session-hash", "least-loaded"]) {
    test(`${policy}: hits never exceed what an infinite cache would serve`, () => {
      const cell = run({ policy: policyNamed(policy), spec: { warmupMs: 0 } });
      expect(cell.hitTokens).toBeGreaterThan(0);
      expect(cell.hitTokens).toBeLessThanOrEqual(cell.boundTokens);
      expect(cell.boundTokens).toBeLessThan(cell.promptTokens);
    });
  }

  test("a cell with endless KV evicts nothing and comes near the bound", () => {
    const cell = run({ policy: policyNamed("session-hash"), spec: { policy: "infinite-cache" } });
    expect(cell.evictions).toBe(0);
    expect(cell.hitTokens / cell.boundTokens).toBeGreaterThan(0.95);
  });
});

describe("open traces", () => {
  test("are played at so many times their own pace, from the first request on", () => {
    const sentAt = (demand: number) => {
      const times: number[] = [];
      const policy = policyOf("watching", () => ({
        place: (_request, _replicas, nowMs) => {
          times.push(nowMs);
          return 0;
        },
      }));
      const workload = workloadOf(
        "trace:paced",
        [0, 1000, 4000].map((startMs) => ({
          id: `s${startMs}`,
          startMs,
          turns: [{ newTokens: 20, outputTokens: 2 }],
        })),
      );
      const spec = { regime: "open", demand, warmupMs: 0, measuredMs: 60_000 } as const;
      run({ policy, workload, spec });
      return times.map(Math.round);
    };
    expect(sentAt(1)).toEqual([0, 1000, 4000]);
    expect(sentAt(2)).toEqual([0, 500, 2000]);
  });
});

describe("sessions", () => {
  test("a turn after children waits for the last of them", () => {
    const sentAt = new Map<string, number>();
    const policy = policyOf("watching", () => ({
      place: ({ sessionId, turn }, _, nowMs) => {
        sentAt.set(`${sessionId}/${turn}`, nowMs);
        return 0;
      },
    }));
    const short = { newTokens: 20, outputTokens: 5 };
    const workload = workloadOf("trace:join", [
      {
        id: "parent",
        turns: [
          {
            ...short,
            children: [
              { id: "fast", turns: [short] },
              { id: "slow", turns: [short, { ...short, gapMs: 5000 }] },
            ],
          },
          { ...short, gapMs: 10, gapKind: "join" },
        ],
      },
    ]);
    const cell = run({
      policy,
      workload,
      spec: { replicas: 1, demand: 0.001, warmupMs: 0, measuredMs: 60_000 },
    });
    expect(cell.conservation).toEqual({ sent: 5, ended: 5, underWay: 0 });
    expect(sentAt.get("parent/1")).toBeGreaterThan(sentAt.get("slow/1") ?? Number.NaN);
    expect(sentAt.get("fast/0")).toBe(sentAt.get("slow/0")!);
    // The children are part of the parent's job.
    expect(histogramOf([cell], ({ jctMs }) => jctMs).count).toBe(1);
  });

  test("a client that leaves ends its turn there, and the policy gets no usage", () => {
    const usages: unknown[] = [];
    const policy = policyOf("listening", () => ({
      place: () => 0,
      onEnded: (_id, _nowMs, usage) => usages.push(usage),
    }));
    const workload = workloadOf("trace:abort", [
      {
        id: "s0",
        turns: [
          { newTokens: 32, outputTokens: 500, abortAfterTokens: 2 },
          { newTokens: 32, outputTokens: 4 },
        ],
      },
    ]);
    const cell = run({
      policy,
      workload,
      spec: { replicas: 1, demand: 0.001, warmupMs: 0, measuredMs: 60_000 },
    });
    expect(cell.aborts).toBe(1);
    expect(usages[0]).toBeUndefined();
    expect(usages[1]).toMatchObject({ outputTokens: 4 });
  });
});
