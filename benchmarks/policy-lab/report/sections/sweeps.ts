import { type Estimate, estimateOf, type Metric, metrics } from "../../aggregate.ts";
import { dataTable, policyName, type TableRow } from "../data-table.ts";
import { formatEstimate, formatShare, formatterOf } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { type Panel, panelTitle, rowAt } from "../panels.ts";
import type { PolicyStyle } from "../policy-style.ts";
import { type LinePoint, lineChart } from "../svg/line-chart.ts";

/** Fleet sizes below which a curve over them says nothing. */
const fleetsMin = 3;

/** Figures per replica over the size of the fleet, where enough sizes were run. */
export function scalingSection(panels: readonly Panel[]): Markup | undefined {
  const groups = [
    ...Map.groupBy(panels, ({ workload, regime }) => `${workload}, ${regime}`),
  ].filter(([, group]) => new Set(group.map(({ replicas }) => replicas)).size >= fleetsMin);
  if (groups.length === 0) return undefined;
  const charts = groups.flatMap(([name, group], index) => [
    scalingChart(
      group,
      name,
      metrics.turns,
      "Turns per second and replica",
      `scale-${index}-a`,
      true,
    ),
    scalingChart(
      group,
      name,
      metrics.ttftP90,
      "Time to first token, p90",
      `scale-${index}-b`,
      false,
    ),
    scalingChart(group, name, metrics.hitEfficiency, "Hits ÷ bound", `scale-${index}-c`, false),
  ]);
  return html`<section id="scaling" aria-labelledby="scaling-h"><h2 id="scaling-h">Fleet size</h2>
<p>At the demand nearest to the capacity of each fleet: a policy that scales keeps its height.</p><div class="charts">${charts}</div></section>`;
}

function scalingChart(
  group: readonly Panel[],
  name: string,
  metric: Metric,
  title: string,
  id: string,
  isPerReplica: boolean,
): Markup {
  const styles = group[0]!.styles;
  const series = styles.map((style) => ({
    style,
    points: group.flatMap((panel): LinePoint[] => {
      const row = rowAt(panel, style, panel.focus);
      if (row === undefined) return [];
      const divisor = isPerReplica ? panel.replicas : 1;
      const { mean, halfWidth } = estimateOf(row, metric);
      const half = (halfWidth || 0) / divisor;
      const y = mean / divisor;
      return Number.isFinite(y) ? [{ x: panel.replicas, y, low: y - half, high: y + half }] : [];
    }),
  }));
  return lineChart({
    id,
    title: `${title} (${name})`,
    description: `${title} against the number of replicas, ${name}.`,
    series,
    xKind: "sweep",
    yKind: metric.unit === "ms" ? "log" : metric.unit === "share" ? "share" : "linear",
    xLabel: "replicas",
    yLabel: metric.better === "higher" ? "higher is better" : "lower is better",
    xFormat: String,
    yFormat: formatterOf(metric.unit),
    hasMarkers: true,
  });
}

/**
 * What stale metrics, lost events, unequal or failing replicas do: ratios to the same fleet well.
 */
export function scenarioSection(
  main: readonly Panel[],
  varied: readonly Panel[],
): Markup | undefined {
  if (varied.length === 0) return undefined;
  const groups = [
    ...Map.groupBy(varied, (panel) => `${panelTitle(panel)}, ${panel.regime}`).entries(),
  ];
  const tables = groups.map(([title, panels]) => {
    const first = panels[0]!;
    const base = main.find(
      (panel) =>
        panel.regime === first.regime &&
        panel.replicas === first.replicas &&
        panel.workload === first.workload,
    );
    const metric = first.regime === "open" ? metrics.ttftP90 : metrics.turns;
    return html`<h3>${title}</h3>${scenarioTable(base, panels, metric)}${scenarioTable(base, panels, metrics.hitEfficiency)}`;
  });
  return html`<section id="scenarios" aria-labelledby="scenarios-h"><h2 id="scenarios-h">Less than ideal fleets</h2>
<p>The same load on fleets that are badly informed, unequal or failing. Small: change against the same policy on the healthy fleet.</p>${tables}</section>`;
}

function scenarioTable(base: Panel | undefined, panels: readonly Panel[], metric: Metric): Markup {
  const columns = [...(base === undefined ? [] : [base]), ...panels];
  const styles = panels[0]!.styles;
  const rows = styles.map((style): TableRow => {
    const healthy = base && estimateAt(base, style, metric);
    const cells = columns.map((panel) => {
      const estimate = estimateAt(panel, style, metric);
      if (estimate === undefined) return "–";
      const isBase = panel === base || healthy === undefined;
      const change = isBase
        ? undefined
        : html` <small>${signed(estimate.mean / healthy.mean - 1)}</small>`;
      return html`${formatEstimate(estimate, metric.unit)}${change}`;
    });
    return { style, heading: policyName(style), cells };
  });
  const demand = panels[0]!.focus;
  return dataTable(
    `${metric.name} at demand ${demand}, ${metric.better} is better`,
    ["policy", ...columns.map(({ scenario }) => scenario)],
    rows,
  );
}

function estimateAt(panel: Panel, style: PolicyStyle, metric: Metric): Estimate | undefined {
  const row = rowAt(panel, style, panel.focus);
  return row === undefined ? undefined : estimateOf(row, metric);
}

function signed(change: number): string {
  if (!Number.isFinite(change)) return "";
  return `${change >= 0 ? "+" : "−"}${formatShare(Math.abs(change))}`;
}
