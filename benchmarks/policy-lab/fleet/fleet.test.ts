import { describe, expect, test } from "bun:test";
import { profiles, tiny } from "../../engine/index.ts";
import type { Workload } from "../../workloads/types.ts";
import { histogramOf } from "../aggregate.ts";
import { quantileOfHistogram } from "../histogram.ts";
import { policyNamed } from "../policies/index.ts";
import type { CellResult, CellSpec, Scenario } from "../result.ts";
import { smallAgents, workloadOf } from "../testing/plan-session.ts";
import type { Policy, PolicyRun, RoutedRequest } from "../types.ts";
import { loadShapeOf } from "./load-shape.ts";
import { createNominal } from "./nominal.ts";
import { runCell } from "./run-cell.ts";

const calm: Scenario = {
  name: "baseline",
  profiles: ["tiny"],
  blocks: 2000,
  scrapeMs: 250,
  eventLagMs: 10,
  eventLoss: 0,
};

interface Run {
  readonly policy?: Policy;
  readonly workload?: Workload;
  readonly spec?: Partial<CellSpec>;
  readonly scenario?: Partial<Scenario>;
}

function run({ policy = roundRobin(), workload = smallAgents, spec, scenario }: Run): CellResult {
  return runCell(
    {
      policy: policy.name,
      workload: workload.name,
      regime: "saturation",
      replicas: 3,
      demand: 0.8,
      seed: 1,
      warmupMs: 5000,
      measuredMs: 20_000,
      ...spec,
      scenario: { ...calm, ...scenario },
    },
    {
      policy,
      workload,
      shape: loadShapeOf(workload, tiny),
      withTimeline: false,
      wallMs: () => 0,
    },
  );
}

/** A policy of the test: `place` and whatever else it wants to hear. */
function policyOf(name: string, start: () => PolicyRun): Policy {
  return { name, source: "test", about: "test", start };
}

function roundRobin(): Policy {
  return policyOf("in-turn", () => {
    let next = 0;
    return {
      place: (_, replicas) => {
        const healthy = replicas.filter(({ healthy }) => healthy);
        next += 1;
        return healthy[next % healthy.length]?.index ?? "hold";
      },
    };
  });
}

const turnsIn = ({ classes }: CellResult) =>
  Object.values(classes).reduce((sum, { turns }) => sum + turns, 0);

const finite = (turns: number, sessions = 2) =>
  workloadOf(
    "trace:finite",
    Array.from({ length: sessions }, (_, index) => ({
      id: `s${index}`,
      turns: Array.from({ length: turns }, () => ({
        newTokens: 160,
        outputTokens: 16,
        gapMs: 0,
      })),
    })),
  );

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
    // The second turn finds prompt and answer of the first but for the token whose KV nobody needed:
    // 175 of 176 tokens are computed, 10 full blocks.
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

describe("unequal fleets", () => {
  test("nothing is lost when a replica dies, and it serves again when it is back", () => {
    const lost: number[] = [];
    const placed: { replica: number; nowMs: number }[] = [];
    let failed = 0;
    const policy = policyOf("failing", () => {
      const turn = roundRobin().start({
        replicas: 3,
        blockTokens: 16,
        blocks: [],
        random: { next: () => 0 },
        truth: () => {
          throw new Error("not asked");
        },
      });
      return {
        place: (request, replicas, nowMs) => {
          const replica = turn.place(request, replicas, nowMs);
          if (replica !== "hold") placed.push({ replica, nowMs });
          return replica;
        },
        onReplicaLost: (replica) => lost.push(replica),
        onEnded: (_id, nowMs, usage) => {
          if (usage === undefined && nowMs === 8000) failed += 1;
        },
      };
    });
    const cell = run({
      policy,
      scenario: { failing: { atMs: 8000, backAtMs: 14_000 } },
      spec: { demand: 2 },
    });
    expect(lost).toEqual([0]);
    expect(cell.retries).toBeGreaterThan(0);
    expect(failed).toBe(cell.retries);
    const { sent, ended, underWay } = cell.conservation;
    expect(sent).toBe(ended + underWay);
    const onVictim = placed.filter(({ replica }) => replica === 0).map(({ nowMs }) => nowMs);
    expect(onVictim.filter((nowMs) => nowMs > 8000 && nowMs < 14_000)).toEqual([]);
    expect(Math.max(...onVictim)).toBeGreaterThan(14_000);
  });

  test("with its only replica dead, a fleet holds and then goes on", () => {
    const cell = run({
      scenario: { failing: { atMs: 6000, backAtMs: 9000 } },
      spec: { replicas: 1, demand: 1 },
    });
    const { sent, ended, underWay } = cell.conservation;
    expect(sent).toBe(ended + underWay);
    expect(cell.held.turns).toBeGreaterThan(0);
    expect(cell.turnsPerSecond).toBeGreaterThan(0);
  });

  test("a slow replica serves less, a mixed fleet uses its profiles in turn", () => {
    const policy = policyNamed("least-loaded");
    const slow = run({ policy, scenario: { slow: { replicas: 1, factor: 3 } } });
    expect(slow.turnsPerSecond).toBeLessThan(run({ policy }).turnsPerSecond);
    const seen: number[] = [];
    const watching = policyOf("watching", () => ({
      place: (_, replicas) => {
        if (seen.length === 0) seen.push(...replicas.map(({ blocks }) => blocks));
        return 0;
      },
    }));
    const mixed: Scenario = {
      name: "mixed",
      profiles: ["tiny", "llama-8b-h200"],
      scrapeMs: 250,
      eventLagMs: 0,
      eventLoss: 0,
    };
    const spec = { scenario: mixed, demand: 0.05, measuredMs: 1000, warmupMs: 0 };
    runCell(
      {
        policy: "watching",
        workload: "small-agents",
        regime: "saturation",
        replicas: 3,
        seed: 1,
        ...spec,
      },
      {
        policy: watching,
        workload: smallAgents,
        shape: loadShapeOf(smallAgents, tiny),
        withTimeline: false,
        wallMs: () => 0,
      },
    );
    expect(seen).toEqual([4096, profiles["llama-8b-h200"]?.blocks ?? 0, 4096]);
  });
});
