import { type Histogram, meanOf, mergeHistograms, quantileOfHistogram } from "./histogram.ts";
import type { CellResult, CellSpec, ClassResult } from "./result.ts";
import { sloClasses } from "./slo.ts";

/** A figure over seeds: the mean and half of its 95 % interval (Student's t; NaN for one seed). */
export interface Estimate {
  readonly mean: number;
  readonly halfWidth: number;
  readonly seeds: number;
}

/** A scalar that is drawn from a cell. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** NaN where the cell has none. */
  read(cell: CellResult): number;
}

/** All seeds of one (policy, workload, regime, replicas, demand, scenario). */
export interface LabRow {
  readonly spec: Omit<CellSpec, "seed">;
  /** In the order of their seeds. */
  readonly cells: readonly CellResult[];
}

/** Cells that differ in nothing but the seed as one row; rows in the order of first appearance. */
export function rowsOf(cells: readonly CellResult[]): readonly LabRow[] {
  const rows = new Map<string, { spec: Omit<CellSpec, "seed">; cells: CellResult[] }>();
  for (const cell of cells) {
    const { seed: _, ...spec } = cell.spec;
    const key = JSON.stringify(spec);
    const row = rows.get(key) ?? { spec, cells: [] };
    row.cells.push(cell);
    rows.set(key, row);
  }
  return [...rows.values()];
}

/** The metric over the row's seeds. */
export function estimateOf(row: LabRow, metric: Metric): Estimate {
  return meanWithInterval(row.cells.map((cell) => metric.read(cell)));
}

/** Mean and half of the two-sided 95 % t-interval of the finite values. */
export function meanWithInterval(values: readonly number[]): Estimate {
  const finite = values.filter(Number.isFinite);
  const seeds = finite.length;
  const mean = finite.reduce((sum, value) => sum + value, 0) / seeds;
  const variance = finite.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (seeds - 1);
  return { mean, halfWidth: studentT95(seeds - 1) * Math.sqrt(variance / seeds), seeds };
}

/** One histogram of all classes (or of one), of a row or of a cell. */
export function histogramOf(
  cells: readonly CellResult[],
  pick: (result: ClassResult) => Histogram,
): Histogram {
  return mergeHistograms(
    cells.flatMap(({ classes }) =>
      sloClasses.flatMap((name) => {
        const result = classes[name];
        return result === undefined ? [] : [pick(result)];
      }),
    ),
  );
}

const ttft = (cell: CellResult) =>
  mergeHistograms([
    histogramOf([cell], ({ firstTurnTtftMs }) => firstTurnTtftMs),
    histogramOf([cell], ({ laterTurnTtftMs }) => laterTurnTtftMs),
  ]);

const turnsOf = (cell: CellResult) =>
  Object.values(cell.classes).reduce((sum, { turns }) => sum + turns, 0);

const metric = (
  name: string,
  unit: string,
  better: Metric["better"],
  read: Metric["read"],
): Metric => ({ name, unit, better, read });

/** Every scalar of the summary table and the reports' axes, by name. */
export const metrics = {
  jobs: metric("jobs", "1/s", "higher", (cell) => cell.jobsPerSecond),
  turns: metric("turns", "1/s", "higher", (cell) => cell.turnsPerSecond),
  outputTokens: metric("output tokens", "1/s", "higher", (cell) => cell.outputTokensPerSecond),
  goodput: metric("turns in SLO", "1/s", "higher", (cell) => cell.goodputPerSecond),
  sloAttainment: metric("SLO attainment", "share", "higher", (cell) => {
    const met = Object.values(cell.classes).reduce((sum, { turnsInSlo }) => sum + turnsInSlo, 0);
    return met / turnsOf(cell);
  }),
  ttftMean: metric("TTFT mean", "ms", "lower", (cell) => meanOf(ttft(cell))),
  ttftP50: metric("TTFT p50", "ms", "lower", (cell) => quantileOfHistogram(ttft(cell), 0.5)),
  ttftP90: metric("TTFT p90", "ms", "lower", (cell) => quantileOfHistogram(ttft(cell), 0.9)),
  ttftP99: metric("TTFT p99", "ms", "lower", (cell) => quantileOfHistogram(ttft(cell), 0.99)),
  firstTurnTtftP50: metric("TTFT p50, first turns", "ms", "lower", (cell) =>
    quantileOfHistogram(
      histogramOf([cell], ({ firstTurnTtftMs }) => firstTurnTtftMs),
      0.5,
    ),
  ),
  laterTurnTtftP50: metric("TTFT p50, later turns", "ms", "lower", (cell) =>
    quantileOfHistogram(
      histogramOf([cell], ({ laterTurnTtftMs }) => laterTurnTtftMs),
      0.5,
    ),
  ),
  itlMean: metric("ITL mean", "ms", "lower", (cell) => meanOf(cell.itlMs)),
  itlP99: metric("ITL p99", "ms", "lower", (cell) => quantileOfHistogram(cell.itlMs, 0.99)),
  jctMean: metric("JCT mean", "ms", "lower", (cell) =>
    meanOf(histogramOf([cell], ({ jctMs }) => jctMs)),
  ),
  jctP90: metric("JCT p90", "ms", "lower", (cell) =>
    quantileOfHistogram(
      histogramOf([cell], ({ jctMs }) => jctMs),
      0.9,
    ),
  ),
  hitRate: metric("hit rate", "share", "higher", (cell) => cell.hitTokens / cell.promptTokens),
  hitEfficiency: metric(
    "hits ÷ bound",
    "share",
    "higher",
    (cell) => cell.hitTokens / cell.boundTokens,
  ),
  imbalance: metric("requests, max ÷ mean", "", "lower", (cell) => cell.imbalance.requests),
  preemptions: metric("preemptions", "", "lower", (cell) => cell.preemptions),
  jain: metric("Jain", "", "higher", (cell) => cell.jain),
} as const satisfies Readonly<Record<string, Metric>>;

/** 0.975 quantile of Student's t for 1 to 30 degrees of freedom (standard tables). */
const t95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048,
  2.045, 2.042,
];

function studentT95(degrees: number): number {
  return degrees < 1 ? Number.NaN : (t95[degrees - 1] ?? 1.96);
}
