import { formatNumber, formatTable } from "../../report/table.ts";
import {
  type Estimate,
  estimateOf,
  type LabRow,
  type Metric,
  metrics,
  rowsOf,
} from "../aggregate.ts";
import type { CellSpec, LabResult, Regime } from "../result.ts";

/** What a terminal shows of each regime; the report has the rest. */
const shown: Readonly<Record<Regime, readonly Metric[]>> = {
  saturation: [
    metrics.jobs,
    metrics.turns,
    metrics.firstTurnTtftP50,
    metrics.laterTurnTtftP50,
    metrics.hitEfficiency,
  ],
  open: [
    metrics.ttftP50,
    metrics.ttftP90,
    metrics.itlMean,
    metrics.jctMean,
    metrics.sloAttainment,
    metrics.hitEfficiency,
  ],
};

/** Tables: policies down, the dimension that varies across, one table a metric. */
export function formatSummary({ cells }: LabResult): string {
  const rows = rowsOf(cells);
  return distinct(rows.map(({ spec }) => spec.regime))
    .flatMap((regime) =>
      regimeTables(
        regime,
        rows.filter(({ spec }) => spec.regime === regime),
      ),
    )
    .join("\n\n");
}

function regimeTables(regime: Regime, rows: readonly LabRow[]): readonly string[] {
  const fleets = distinct(rows.map(({ spec }) => spec.replicas));
  // Fleets are a table each unless they are what varies.
  if (distinct(rows.map(({ spec }) => columnOf(spec))).length === 1 && fleets.length > 1) {
    return shown[regime].map((metric) => table(regime, "replicas", rows, metric, fleetOf));
  }
  return fleets.flatMap((fleet) => {
    const ofFleet = rows.filter(({ spec }) => spec.replicas === fleet);
    const title = `${regime}, ${fleet} replicas`;
    return shown[regime].map((metric) => table(title, "", ofFleet, metric, columnOf));
  });
}

function table(
  title: string,
  axis: string,
  rows: readonly LabRow[],
  metric: Metric,
  columnOfSpec: (spec: LabRow["spec"]) => string,
): string {
  const columns = distinct(rows.map(({ spec }) => columnOfSpec(spec)));
  const body = distinct(rows.map(({ spec }) => spec.policy)).map((policy) => [
    policy,
    ...columns.map((column) => {
      const row = rows.find(({ spec }) => spec.policy === policy && columnOfSpec(spec) === column);
      return row === undefined ? "–" : formatEstimate(estimateOf(row, metric));
    }),
  ]);
  const unit = metric.unit === "" ? "" : ` [${metric.unit}]`;
  const heading = `${title}: ${metric.name}${unit}, mean ± half of the 95 % interval`;
  return `${heading}\n${formatTable([axis === "" ? "policy" : `policy, ${axis}:`, ...columns], body)}`;
}

const fleetOf = ({ replicas }: Pick<CellSpec, "replicas">) => String(replicas);

function columnOf({ demand, scenario }: Pick<CellSpec, "demand" | "scenario">): string {
  return scenario.name === "baseline" ? `demand ${demand}` : `${scenario.name}, ${demand}`;
}

function formatEstimate({ mean, halfWidth }: Estimate): string {
  if (!Number.isFinite(mean)) return "–";
  const decimals = mean >= 100 ? 0 : mean >= 10 ? 1 : 2;
  const spread = Number.isFinite(halfWidth) ? ` ± ${formatNumber(halfWidth, decimals)}` : "";
  return `${formatNumber(mean, decimals)}${spread}`;
}

function distinct<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}
