import { describe, expect, test } from "bun:test";
import { runFairness } from "./fairness.ts";
import { type FleetPlan, runFleet } from "./fleet.ts";
import { chatShape, smallShape } from "./loads.ts";
import { tinyPlan } from "./plan.ts";

const plan: FleetPlan = {
  loads: [
    { tenant: "a", shape: chatShape, arrivals: { callsPerSecond: 5 }, isStream: true },
    { tenant: "b", shape: smallShape, arrivals: { connections: 20 }, isStream: false },
  ],
  replicas: 1,
  seed: 1,
  warmupMs: 500,
  measuredMs: 3000,
};

describe("the fleet", () => {
  test("is the same for the same plan, and another for another seed", () => {
    expect(runFleet(plan)).toEqual(runFleet(plan));
    expect(runFleet({ ...plan, seed: 2 })).not.toEqual(runFleet(plan));
  });

  test("keeps the times of a call in order, and nobody waiting where there is room", () => {
    const { calls, refusals, backlogged } = runFleet(plan);
    for (const { heldMs, firstTokenMs, totalMs, computedPromptTokens } of calls) {
      expect(heldMs).toBe(0);
      expect(firstTokenMs).toBeGreaterThan(0);
      expect(totalMs).toBeGreaterThanOrEqual(firstTokenMs);
      expect(computedPromptTokens).toBeGreaterThan(0);
    }
    expect(new Set(calls.map(({ tenant }) => tenant))).toEqual(new Set(["a", "b"]));
    expect(refusals.size).toBe(0);
    expect([...backlogged.values()]).toEqual([0, 0]);
  });

  test("refuses who finds no room in the queue, and hears of it again", () => {
    const crowd = { ...plan.loads[1]!, arrivals: { connections: 1500 } };
    const { refusals, backlogged } = runFleet({ ...plan, loads: [crowd] });
    expect(refusals.get("b")).toBeGreaterThan(100);
    expect(backlogged.get("b")).toBe(1);
  });
});

test("calls of a program follow each other, and its time is theirs", () => {
  const load = { ...plan.loads[1]!, arrivals: { connections: 1 } };
  const loads = [{ ...load, callsOfProgram: { points: [[0, 3] as const, [1, 3] as const] } }];
  const { calls, programs } = runFleet({ ...plan, loads, warmupMs: 0, measuredMs: 20_000 });
  expect(programs.length).toBe(Math.floor(calls.length / 3));
  const [first] = programs;
  const sumMs = calls.slice(0, 3).reduce((sum, { totalMs }) => sum + totalMs, 0);
  expect(first?.totalMs).toBeCloseTo(sumMs, 6);
});

test("the bench shows every case, in its smallest size too", () => {
  const { report, bars } = runFairness(tinyPlan, { onProgress: () => undefined });
  expect(report.rounds).toHaveLength(2 * 4 + 4 + 2);
  expect(bars).toHaveLength(2 * 2 * 4 + 2 * 3 + 2);
  expect(report.table).toContain("full_house");
});
