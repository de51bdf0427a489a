import { describe, expect, test } from "bun:test";
import { profiles, tiny } from "../../engine/index.ts";
import { policyNamed } from "../policies/index.ts";
import type { Scenario } from "../result.ts";
import { smallAgents } from "../testing/plan-session.ts";
import { policyOf, roundRobin, run } from "../testing/small-cell.ts";
import { loadShapeOf } from "./load-shape.ts";
import { runCell } from "./run-cell.ts";

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
          if (typeof replica === "number") placed.push({ replica, nowMs });
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
