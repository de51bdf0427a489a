import { histogramOf, type LabRow, type Metric, metrics, rowsOf } from "../policy-lab/aggregate.ts";
import { quantileOfHistogram } from "../policy-lab/histogram.ts";
import type { CellResult } from "../policy-lab/result.ts";
import { type Bar, barOf } from "../report/bars.ts";
import {
  baselines,
  ours,
  type PlacementPlan,
  rivals,
  syntheticWorkload,
  traceReplicas,
  traceSpeed,
  traceWorkload,
} from "./plan.ts";

/** Where a row stands in the plan. */
interface Point {
  readonly workload: string;
  readonly regime: "saturation" | "open";
  readonly replicas: number;
  readonly demand: number;
}

/** How many times the jobs of the best baseline, by demand ÷ capacity. */
const jobsFactors: ReadonlyMap<number, number> = new Map([
  [1.5, 1.3],
  [2, 1.3],
  [3, 1.2],
]);
/** Share of the product's own peak that it keeps there. */
const peakShares: ReadonlyMap<number, number> = new Map([
  [1.5, 0.95],
  [2, 0.95],
  [3, 0.9],
]);

/** Share of the best rate with which a policy serves as much as the best. */
const servesAsMuch = 0.97;

/** What the proxy lets a request wait, and how late the lab asks again at most. */
const waitMsMax = 60_000 + 1000;

/** What is wanted of placement, read off the finished cells. */
export function barsOf(plan: PlacementPlan, cells: readonly CellResult[]): readonly Bar[] {
  const table = new Table(cells);
  const smallest = plan.fleets[0]?.replicas ?? 1;
  return [
    ...plan.fleets.flatMap(({ replicas }) =>
      plan.overloads.flatMap((demand) => overloadBars(table, plan, replicas, demand)),
    ),
    ...plan.underloads.flatMap((demand) => [
      ...notWorseBars(table, saturation(smallest, demand)),
      ...historyBars(table, saturation(smallest, demand)),
    ]),
    ...notWorseBars(table, open(syntheticWorkload, 0.25, smallest)),
    ...plan.overloads.flatMap((demand) => misstatedBars(table, saturation(smallest, demand))),
    ...(plan.trace ? traceBars(table) : []),
  ];
}

function overloadBars(
  table: Table,
  plan: PlacementPlan,
  replicas: number,
  demand: number,
): readonly Bar[] {
  const point = saturation(replicas, demand);
  const label = `placement.x${replicas}.demand_${demand}`;
  const best = table.best(point, metrics.jobs, baselines);
  const placement = baselines.filter((name) => name !== rivals.admission);
  const bestLater = table.best(point, laterTtftP90, placement);
  const later = table.mean(point, ours.events, laterTtftP90);
  const turns = table.mean(point, ours.events, metrics.turns);
  const peak = Math.max(
    ...[...plan.underloads, ...plan.overloads].map((at) =>
      table.meanOrZero(saturation(replicas, at), ours.events, metrics.turns),
    ),
  );
  const jobs = table.mean(point, ours.events, metrics.jobs);
  return [
    barOf(`${label}.jobs_over_best`, jobs / best, ">=", jobsFactors.get(demand) ?? 1),
    barOf(`${label}.turns_of_own_peak`, turns / peak, ">=", peakShares.get(demand) ?? 0),
    barOf(`${label}.later_ttft_p90_over_best`, later / bestLater, "<=", 0.3),
    barOf(`${label}.later_ttft_p90_ms`, later, "<=", 500),
    barOf(`${label}.longest_wait_ms`, table.mean(point, ours.events, longestWait), "<=", waitMsMax),
  ];
}

/**
 * Where memory is plenty: nothing is lost by what admission would do elsewhere. TTFT is held
 * against baselines that serve about as much: one that holds a third of the turns back is quick
 * with the rest.
 */
function notWorseBars(table: Table, point: Point): readonly Bar[] {
  const label = `placement.${point.regime}_${point.demand}`;
  const best = table.best(point, metrics.turns, baselines);
  const asGood = baselines.filter(
    (name) => table.mean(point, name, metrics.turns) >= best * servesAsMuch,
  );
  const bestTtft = asGood.length > 0 ? table.best(point, metrics.ttftP90, asGood) : Number.NaN;
  const turns = table.mean(point, ours.events, metrics.turns);
  const ttft = table.mean(point, ours.events, metrics.ttftP90);
  return [
    barOf(`${label}.turns_over_best`, turns / best, ">=", servesAsMuch),
    barOf(`${label}.ttft_p90_ms`, ttft, "<=", Math.max(1.05 * bestTtft, bestTtft + 5)),
  ];
}

/** Before engines that tell nothing: as good, and ahead of everybody who knows as little. */
function historyBars(table: Table, point: Point): readonly Bar[] {
  const label = `placement.history_${point.demand}`;
  const turns = table.mean(point, ours.history, metrics.turns);
  const withEvents = table.mean(point, ours.events, metrics.turns);
  const best = table.best(point, metrics.turns, rivals.withoutEvents);
  return [
    barOf(`${label}.turns_over_events`, turns / withEvents, ">=", 0.9),
    barOf(`${label}.turns_over_best_without_events`, turns / best, ">=", 0.97),
  ];
}

function misstatedBars(table: Table, point: Point): readonly Bar[] {
  const turns = table.mean(point, ours.events, metrics.turns);
  return [ours.less, ours.more].map((name) =>
    barOf(
      `placement.${name}_${point.demand}.turns_over_right`,
      table.mean(point, name, metrics.turns) / turns,
      ">=",
      0.95,
    ),
  );
}

/** Load is what was prefilled over the window: at most 1.15 means that none had 1.3 × the mean. */
function traceBars(table: Table): readonly Bar[] {
  const point = open(traceWorkload, traceSpeed, traceReplicas);
  const label = "placement.mooncake";
  const best = table.best(point, metrics.ttftP90, baselines);
  const bestHits = table.best(point, metrics.hitRate, baselines);
  const hits = table.mean(point, ours.events, metrics.hitRate);
  return [
    barOf(
      `${label}.ttft_p90_over_best`,
      table.mean(point, ours.events, metrics.ttftP90) / best,
      "<=",
      1,
    ),
    barOf(`${label}.hit_points_below_best`, (bestHits - hits) * 100, "<=", 3),
    barOf(
      `${label}.prefill_imbalance`,
      table.mean(point, ours.events, prefillImbalance),
      "<=",
      1.15,
    ),
  ];
}

const laterTtftP90: Metric = {
  name: "TTFT p90, later turns",
  unit: "ms",
  better: "lower",
  read: (cell) =>
    quantileOfHistogram(
      histogramOf([cell], ({ laterTurnTtftMs }) => laterTurnTtftMs),
      0.9,
    ),
};

const longestWait: Metric = {
  name: "longest wait",
  unit: "ms",
  better: "lower",
  read: ({ longestWaitMs }) => longestWaitMs,
};

const prefillImbalance: Metric = {
  name: "prefill, max ÷ mean",
  unit: "",
  better: "lower",
  read: ({ imbalance }) => imbalance.prefillTokens,
};

function saturation(replicas: number, demand: number): Point {
  return { workload: syntheticWorkload, regime: "saturation", replicas, demand };
}

function open(workload: string, demand: number, replicas: number): Point {
  return { workload, regime: "open", replicas, demand };
}

/** Means over seeds, by point and policy. */
export class Table {
  readonly #rows = new Map<string, LabRow>();

  constructor(cells: readonly CellResult[]) {
    for (const row of rowsOf(cells)) this.#rows.set(keyOf(row.spec, row.spec.policy), row);
  }

  /** NaN for what was not run, which no bar passes. */
  mean(point: Point, policy: string, metric: Metric): number {
    const cells = this.#rows.get(keyOf(point, policy))?.cells ?? [];
    return cells.reduce((sum, cell) => sum + metric.read(cell), 0) / cells.length;
  }

  meanOrZero(point: Point, policy: string, metric: Metric): number {
    const mean = this.mean(point, policy, metric);
    return Number.isNaN(mean) ? 0 : mean;
  }

  best(point: Point, metric: Metric, policies: readonly string[]): number {
    const means = policies.map((policy) => this.mean(point, policy, metric));
    return metric.better === "higher" ? Math.max(...means) : Math.min(...means);
  }
}

function keyOf({ workload, regime, replicas, demand }: Point, policy: string): string {
  return [workload, regime, replicas, demand, policy].join(" ");
}
