import { join } from "node:path";
import { type Bar, barOf } from "../report/bars.ts";
import { machineFacts } from "../report/machine.ts";
import { peakPlacement } from "./fleet/peak-placement.ts";
import type { CellJob } from "./grid/axes.ts";
import type { GridPlan } from "./grid/plans.ts";
import { policyNamed } from "./policies/index.ts";
import { codeFingerprint } from "./pool/fingerprint.ts";
import { openResultsFile } from "./pool/results-file.ts";
import { runCells } from "./pool/run-cells.ts";
import { type CellResult, infiniteCache, type LabResult, type PolicyFacts } from "./result.ts";

export interface LabRun {
  readonly plan: GridPlan;
  readonly command: string;
  /** Folder of `cells.jsonl`. */
  readonly out: string;
  readonly resume: boolean;
  readonly workers: number;
  readonly tracePath?: string | undefined;
  readonly signal?: AbortSignal;
  /** Minutes that the whole may take; absent: as long as it takes. */
  readonly minutesMax?: number;
  readonly onStart?: (cells: number, reused: number) => void;
  readonly onResult?: (result: CellResult) => void;
}

/** Runs a plan, or what is missing of it, and holds it against the lab's own bars. */
export async function runLab(run: LabRun): Promise<LabResult> {
  const startedMs = performance.now();
  const at = new Date().toISOString();
  const { jobs, title } = run.plan;
  const fingerprint = codeFingerprint();
  const path = join(run.out, "cells.jsonl");
  const file = openResultsFile({ path, resume: run.resume, fingerprint });
  const found = jobs.map((job) => file.find(job));
  const missing = jobs.filter((_, index) => found[index] === undefined);
  run.onStart?.(missing.length, jobs.length - missing.length);
  const ran = await runCells(missing, {
    workers: run.workers,
    tracePath: run.tracePath,
    ...(run.signal === undefined ? {} : { signal: run.signal }),
    onResult: (result, index) => {
      const job = missing[index];
      if (job !== undefined) file.append(job, result);
      run.onResult?.(result);
    },
  });
  const wallSeconds = (performance.now() - startedMs) / 1000;
  const fresh = ran.values();
  const cells = found
    .map((result) => result ?? fresh.next().value)
    .filter((result) => result !== undefined);
  const isWhole = run.signal?.aborted !== true && missing.length === jobs.length;
  const bars = [
    ...(isWhole && run.minutesMax !== undefined
      ? [barOf("lab.grid_minutes", wallSeconds / 60, "<=", run.minutesMax)]
      : []),
    conservationBar(cells),
    ...(run.signal?.aborted === true ? [] : await determinismBar(run, cells)),
  ];
  return {
    title,
    at,
    command: run.command,
    machine: machineFacts(),
    fingerprint,
    policies: factsOf(jobs),
    cells,
    missingCells: jobs.length - cells.length,
    workers: run.workers,
    wallSeconds,
    bars,
  };
}

/** Turns that got lost or came twice, and cells with more hits than are possible. */
function conservationBar(cells: readonly CellResult[]): Bar {
  const faults = cells.filter(
    ({ conservation: { sent, ended, underWay }, hitTokens, boundTokens }) =>
      sent !== ended + underWay || hitTokens > boundTokens,
  );
  return barOf("lab.conservation_faults", faults.length, "<=", 0);
}

/** Runs the cheapest cell again, here: it must come out the same to the last digit. */
async function determinismBar(run: LabRun, cells: readonly CellResult[]): Promise<readonly Bar[]> {
  const cheapest = cells.reduce<CellResult | undefined>(
    (best, cell) => (best === undefined || cell.cost.steps < best.cost.steps ? cell : best),
    undefined,
  );
  if (cheapest === undefined) return [];
  const job: CellJob = { spec: cheapest.spec, withTimeline: cheapest.timeline !== undefined };
  const [again] = await runCells([job], { workers: 0, tracePath: run.tracePath });
  const isSame = again !== undefined && comparable(again) === comparable(cheapest);
  return [barOf("lab.determinism_differences", isSame ? 0 : 1, "<=", 0)];
}

/** All of a result but what the clock on the wall says. */
export function comparable(result: CellResult): string {
  return JSON.stringify({ ...result, cost: { ...result.cost, wallSeconds: 0 } });
}

function factsOf(jobs: readonly CellJob[]): readonly PolicyFacts[] {
  return [...new Set(jobs.map(({ spec }) => spec.policy))].map((name) => {
    const { source, about, isOracle } = name === infiniteCache ? peakPlacement : policyNamed(name);
    return { name, source, about, isBound: isOracle === true };
  });
}
