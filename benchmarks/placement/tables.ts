import { histogramOf, metrics, rowsOf } from "../policy-lab/aggregate.ts";
import { quantileOfHistogram } from "../policy-lab/histogram.ts";
import { type CellResult, infiniteCache } from "../policy-lab/result.ts";
import { formatNumber, formatTable } from "../report/table.ts";

const oracle = "oracle";

/** A table for each point: every policy's rates and waits, and how far it is from the oracle. */
export function formatPoints(cells: readonly CellResult[]): string {
  const rows = rowsOf(cells);
  const points = [...new Set(rows.map(({ spec }) => titleOf(spec)))];
  return points
    .map((title) => {
      const its = rows.filter(({ spec }) => titleOf(spec) === title);
      const bound = its.find(({ spec }) => spec.policy === oracle);
      const boundTurns = bound === undefined ? Number.NaN : mean(bound.cells, metrics.turns.read);
      const lines = its.map(({ spec, cells: seeds }) => [
        spec.policy === infiniteCache ? "cache that never fills" : spec.policy,
        formatNumber(mean(seeds, metrics.jobs.read), 2),
        formatNumber(mean(seeds, metrics.turns.read), 1),
        formatNumber(mean(seeds, metrics.turns.read) / boundTurns, 2),
        formatNumber(mean(seeds, metrics.hitEfficiency.read), 3),
        formatNumber(firstTtft(seeds, 0.5)),
        formatNumber(firstTtft(seeds, 0.9)),
        formatNumber(laterTtft(seeds, 0.5)),
        formatNumber(laterTtft(seeds, 0.9)),
        formatNumber(mean(seeds, ({ refusals }) => refusals)),
      ]);
      return `${title}\n${formatTable(header, lines)}`;
    })
    .join("\n\n");
}

const header = [
  "policy",
  "jobs/s",
  "turns/s",
  "÷ oracle",
  "hits ÷ bound",
  "first p50",
  "p90 ms",
  "later p50",
  "p90 ms",
  "refused",
];

function titleOf({
  workload,
  regime,
  replicas,
  demand,
}: CellResult["spec"] | Omit<CellResult["spec"], "seed">): string {
  const load = regime === "open" ? "open load" : "KV demand ÷ capacity";
  return `${workload}, ${replicas} replicas, ${load} ${demand}`;
}

function mean(cells: readonly CellResult[], read: (cell: CellResult) => number): number {
  return cells.reduce((sum, cell) => sum + read(cell), 0) / cells.length;
}

function firstTtft(cells: readonly CellResult[], quantile: number): number {
  return quantileOfHistogram(
    histogramOf(cells, ({ firstTurnTtftMs }) => firstTurnTtftMs),
    quantile,
  );
}

function laterTtft(cells: readonly CellResult[], quantile: number): number {
  return quantileOfHistogram(
    histogramOf(cells, ({ laterTurnTtftMs }) => laterTurnTtftMs),
    quantile,
  );
}
