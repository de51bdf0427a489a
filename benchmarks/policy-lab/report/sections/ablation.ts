import { type Estimate, estimateOf, type Metric, metrics } from "../../aggregate.ts";
import { dataTable, policyName, type TableCell } from "../data-table.ts";
import { formatEstimate } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { type Panel, rowAt } from "../panels.ts";
import type { PolicyStyle } from "../policy-style.ts";
import { jobsOf } from "./slo.ts";

const saturationColumns: readonly Metric[] = [
  metrics.jobs,
  metrics.turns,
  metrics.outputTokens,
  metrics.firstTurnTtftP50,
  metrics.laterTurnTtftP50,
  metrics.hitEfficiency,
  metrics.imbalance,
  metrics.preemptions,
  metrics.jain,
];

const openColumns: readonly Metric[] = [
  metrics.sloAttainment,
  metrics.ttftP50,
  metrics.ttftP90,
  metrics.ttftP99,
  metrics.itlMean,
  metrics.jctMean,
  metrics.jctP90,
  metrics.hitEfficiency,
  metrics.imbalance,
  metrics.jain,
];

/** The whole comparison in numbers: one table for each demand, the focus one open. */
export function ablationSection(panel: Panel): Markup {
  const tables = panel.demands.map((demand) => {
    const open = demand === panel.focus ? html` open` : undefined;
    return html`<details${open}><summary>Demand ${demand}</summary>${ablationTable(panel, demand)}</details>`;
  });
  return html`<h4 id="${panel.id}-table">All figures</h4>
<p class="quiet">Mean ± half of the 95 % interval (Student’s t) over seeds. ★ marks the best contender and every contender whose interval meets its interval; bounds do not compete.</p>${tables}`;
}

function ablationTable(panel: Panel, demand: number): Markup {
  const columns = panel.regime === "open" ? openColumns : saturationColumns;
  const best = columns.map((metric) => bestOf(panel, demand, metric));
  const rows = panel.styles.flatMap((style) => {
    const row = rowAt(panel, style, demand);
    if (row === undefined) return [];
    const cells = columns.map((metric, column): TableCell => {
      const estimate = estimateOf(row, metric);
      const isBest = !style.isBound && meets(estimate, best[column]);
      return {
        content: `${isBest ? "★ " : ""}${formatEstimate(estimate, metric.unit)}`,
        kind: isBest ? "best" : "",
      };
    });
    return [{ style, heading: policyName(style), cells: [...cells, String(jobsOf(row.cells))] }];
  });
  const heads = columns.map(({ name, unit, better }) => {
    const arrow = better === "higher" ? "↑" : "↓";
    return html`${name} ${arrow}${unit === "1/s" ? html` <small>per s</small>` : undefined}`;
  });
  return dataTable(
    `KV demand ÷ capacity ${demand}; ↑ higher is better, ↓ lower is better`,
    ["policy", ...heads, "jobs seen"],
    rows,
  );
}

function bestOf(panel: Panel, demand: number, metric: Metric): Estimate | undefined {
  const estimates = panel.styles.flatMap((style) => contender(panel, style, demand, metric));
  if (estimates.length < 2) return undefined;
  const isBetter = (one: Estimate, other: Estimate) =>
    metric.better === "higher" ? one.mean > other.mean : one.mean < other.mean;
  return estimates.reduce((best, estimate) => (isBetter(estimate, best) ? estimate : best));
}

function contender(panel: Panel, style: PolicyStyle, demand: number, metric: Metric): Estimate[] {
  const row = style.isBound ? undefined : rowAt(panel, style, demand);
  if (row === undefined) return [];
  const estimate = estimateOf(row, metric);
  return Number.isFinite(estimate.mean) ? [estimate] : [];
}

/** True when the two intervals meet, or the means are equal where there is no interval. */
function meets(one: Estimate, best: Estimate | undefined): boolean {
  if (best === undefined || !Number.isFinite(one.mean)) return false;
  const reach = (one.halfWidth || 0) + (best.halfWidth || 0);
  return Math.abs(one.mean - best.mean) <= reach;
}
