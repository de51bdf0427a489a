import { expect, test } from "bun:test";
import { runCells } from "../policy-lab/pool/run-cells.ts";
import { barsOf } from "./bars.ts";
import { fullPlan, jobsOf, tinyPlan } from "./plan.ts";
import { formatPoints } from "./tables.ts";

test("the tiny plan runs, and every bar finds the cells that it speaks of", async () => {
  const cells = (await runCells(jobsOf(tinyPlan), { workers: 0 })).filter(
    (cell) => cell !== undefined,
  );
  const bars = barsOf(tinyPlan, cells);
  expect(bars.length).toBeGreaterThan(8);
  expect(bars.filter(({ value }) => Number.isNaN(value))).toEqual([]);
  expect(formatPoints(cells)).toContain("agent-lite, 2 replicas, KV demand ÷ capacity 2");
}, 30_000);

test("the full plan has at least three paired seeds wherever memory is plenty", () => {
  const seeds = new Map<string, Set<number>>();
  for (const { spec } of jobsOf(fullPlan)) {
    const isPlenty = spec.workload === "agent-lite" && spec.demand <= 1 && spec.replicas === 8;
    if (!isPlenty) continue;
    const key = [spec.regime, spec.demand, spec.policy].join(" ");
    seeds.set(key, (seeds.get(key) ?? new Set()).add(spec.seed));
  }
  expect(seeds.size).toBeGreaterThan(40);
  expect([...seeds.values()].every(({ size }) => size >= 3)).toBe(true);
});
