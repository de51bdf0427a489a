import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CellJob, cellsOf, type GridAxes } from "../grid/axes.ts";
import { gridPlan } from "../grid/plans.ts";
import { comparable, runLab } from "../run-lab.ts";
import { openResultsFile } from "./results-file.ts";
import { runCells } from "./run-cells.ts";

const axes: GridAxes = {
  policies: ["random", "warmpath"],
  workload: "agent-lite",
  replicas: [2],
  demands: [0.5],
  loads: [0.5],
  regimes: ["saturation", "open"],
  scenarios: [
    { name: "baseline", profiles: ["tiny"], scrapeMs: 250, eventLagMs: 10, eventLoss: 0 },
  ],
  seeds: 1,
  warmupMs: 500,
  measuredMs: 2000,
  openMeasuredMs: 2000,
};
const jobs = cellsOf(axes);

function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "policy-lab-"));
  return run(folder).finally(() => rmSync(folder, { recursive: true }));
}

describe("runCells()", () => {
  test("gives the same results in the same order, whatever the number of processes", async () => {
    const alone = await runCells(jobs, { workers: 0 });
    expect(alone.map((cell) => cell?.spec)).toEqual(jobs.map(({ spec }) => spec));
    for (const workers of [1, 2]) {
      const together = await runCells(jobs, { workers });
      expect(together.map((cell) => cell && comparable(cell))).toEqual(
        alone.map((cell) => cell && comparable(cell)),
      );
    }
  });

  for (const workers of [0, 1]) {
    test(`a cell that fails says which it was (${workers} processes)`, async () => {
      const [job] = jobs;
      const broken: CellJob = { ...job!, spec: { ...job!.spec, policy: "no-such-policy" } };
      const run = () => runCells([broken], { workers });
      await expect(run()).rejects.toThrow(/no-such-policy/);
    });
  }

  test("ends when it is told to, with what is finished", async () => {
    const stop = new AbortController();
    const results = await runCells(jobs, {
      workers: 1,
      signal: stop.signal,
      onResult: () => stop.abort(),
    });
    expect(results.filter((cell) => cell !== undefined)).toHaveLength(1);
  });
});

describe("runLab()", () => {
  const plan = { title: "Test", jobs };
  const run = (out: string, resume: boolean, seen: number[]) =>
    runLab({
      plan,
      command: "test",
      out,
      resume,
      workers: 0,
      onStart: (cells, reused) => seen.push(cells, reused),
    });

  test("goes on where it was stopped, and a line that was cut is run again", () =>
    inFolder(async (folder) => {
      const seen: number[] = [];
      const first = await run(folder, false, seen);
      expect(first.bars.map(({ ok }) => ok)).toEqual([true, true]);
      expect(first.missingCells).toBe(0);
      const path = join(folder, "cells.jsonl");
      writeFileSync(path, readFileSync(path, "utf8").slice(0, -100));
      const second = await run(folder, true, seen);
      const third = await run(folder, true, seen);
      const fourth = await run(folder, false, seen);
      expect(seen).toEqual([4, 0, 1, 3, 0, 4, 4, 0]);
      for (const again of [second, third, fourth]) {
        expect(again.cells.map(comparable)).toEqual(first.cells.map(comparable));
      }
    }));

  test("a cell that other code has made is not taken for this one's", () =>
    inFolder(async (folder) => {
      const path = join(folder, "cells.jsonl");
      const [job] = jobs;
      const [result] = await runCells([job!], { workers: 0 });
      openResultsFile({ path, resume: false, fingerprint: "old" }).append(job!, result!);
      const found = (fingerprint: string) =>
        openResultsFile({ path, resume: true, fingerprint }).find(job!);
      expect(found("old")?.spec).toEqual(job!.spec);
      expect(found("new")).toBeUndefined();
    }));

  test("a grid that takes too long misses its bar", () =>
    inFolder(async (folder) => {
      const { bars } = await runLab({
        plan,
        command: "test",
        out: folder,
        resume: false,
        workers: 0,
        minutesMax: 1e-9,
      });
      expect(bars[0]).toMatchObject({ name: "lab.grid_minutes", ok: false });
    }));

  test("the default grid has two fleets, six demands and five seeds of every policy", () => {
    const { jobs: all } = gridPlan("default", {});
    const saturated = all.filter(({ spec }) => spec.regime === "saturation");
    const count = (of: (job: CellJob) => unknown) => new Set(saturated.map(of)).size;
    expect(count(({ spec }) => spec.replicas)).toBe(2);
    expect(count(({ spec }) => spec.demand)).toBe(6);
    expect(count(({ spec }) => spec.seed)).toBe(5);
    expect(count(({ spec }) => spec.policy)).toBeGreaterThanOrEqual(13);
    expect(new Set(all.map(({ spec }) => JSON.stringify(spec))).size).toBe(all.length);
  });
});
