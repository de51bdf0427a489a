import { estimateOf, type Metric, metrics } from "../../aggregate.ts";
import { dataTable, policyName } from "../data-table.ts";
import { formatEstimate, formatShare, formatterOf, formatValue } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { attainmentWanted, type Knee, kneesOf } from "../knee.ts";
import { type Panel, panelTitle, rowAt } from "../panels.ts";
import { dotPlot } from "../svg/dot-plot.ts";
import { type LineSeries, lineChart, type YKind } from "../svg/line-chart.ts";

interface LoadChart {
  readonly metric: Metric;
  readonly title: string;
  readonly kind: YKind;
}

const saturationCharts: readonly LoadChart[] = [
  { metric: metrics.jobs, title: "Jobs finished per second", kind: "linear" },
  { metric: metrics.turns, title: "Turns finished per second", kind: "linear" },
  {
    metric: metrics.firstTurnTtftP50,
    title: "First turns: median time to first token",
    kind: "log",
  },
  {
    metric: metrics.laterTurnTtftP50,
    title: "Later turns: median time to first token",
    kind: "log",
  },
  { metric: metrics.hitEfficiency, title: "Prefix hits ÷ infinite-cache bound", kind: "share" },
  { metric: metrics.imbalance, title: "Requests on the fullest replica ÷ mean", kind: "linear" },
];

const openCharts: readonly LoadChart[] = [
  { metric: metrics.ttftP50, title: "Time to first token, median", kind: "log" },
  { metric: metrics.ttftP90, title: "Time to first token, p90", kind: "log" },
  { metric: metrics.ttftP99, title: "Time to first token, p99", kind: "log" },
  { metric: metrics.itlMean, title: "Time between tokens, mean", kind: "linear" },
  { metric: metrics.jctMean, title: "Job completion time, mean", kind: "log" },
  { metric: metrics.sloAttainment, title: "Turns within their SLO", kind: "share" },
  { metric: metrics.goodput, title: "Turns within their SLO per second", kind: "linear" },
  { metric: metrics.hitEfficiency, title: "Prefix hits ÷ infinite-cache bound", kind: "share" },
  { metric: metrics.itlP99, title: "Time between tokens, p99", kind: "log" },
];

/** Latency and throughput against load, with intervals and the knee. */
export function loadSection(panel: Panel): Markup {
  const charts = panel.regime === "open" ? openCharts : saturationCharts;
  const knees = kneesOf(panel);
  return html`<h4 id="${panel.id}-load">${panel.demands.length > 1 ? "Against load" : `At demand ${panel.focus}`}</h4>
<p class="quiet">Bands and whiskers: 95 % interval over seeds. ${rateNote(panel)}</p>
<div class="charts">${charts.map((chart, index) => loadChart(panel, chart, knees, index))}</div>
${panel.demands.length > 1 ? kneeTable(panel, knees) : undefined}`;
}

function rateNote(panel: Panel): string {
  const notes = panel.demands.flatMap((demand) => {
    const cell = panel.rows.find(({ spec }) => spec.demand === demand)?.cells[0];
    if (cell?.slots !== undefined) return [`${demand} = ${cell.slots} job slots`];
    if (cell?.sessionsPerSecond === undefined) return [];
    return [`${demand} = ${formatValue(cell.sessionsPerSecond)} sessions/s`];
  });
  return notes.length === 0 ? "" : `KV demand ÷ capacity: ${notes.join(", ")} (first seed).`;
}

function loadChart(panel: Panel, chart: LoadChart, knees: readonly Knee[], index: number): Markup {
  const { metric, title, kind } = chart;
  const id = `${panel.id}-l${index}`;
  const better = metric.better === "higher" ? "higher is better" : "lower is better";
  const format = formatterOf(metric.unit);
  const yLabel = `${metric.unit === "1/s" ? "per second, " : ""}${better}`;
  if (panel.demands.length === 1) return oneDemand(panel, chart, id, better);
  const isKneeChart = metric === (panel.regime === "open" ? metrics.sloAttainment : metrics.jobs);
  const inside = knees.filter(({ side }) => side === "inside");
  return lineChart({
    id,
    title,
    description: `${title} of ${panel.styles.length} policies against KV demand ÷ capacity, ${panelTitle(panel)}; ${better}. ${summaryOf(panel, metric)}`,
    series: panel.styles.map((style) => seriesOf(panel, style, metric)),
    xKind: "sweep",
    yKind: kind,
    xLabel: "KV demand ÷ capacity",
    yLabel,
    xFormat: String,
    yFormat: format,
    hasMarkers: true,
    ...(isKneeChart && {
      rings: inside.map(({ style, demand, value }) => ({ style, x: demand, y: value })),
      note: `Rings: ${kneeMeaning(panel)}.`,
    }),
  });
}

function seriesOf(panel: Panel, style: LineSeries["style"], metric: Metric): LineSeries {
  const points = panel.demands.flatMap((demand) => {
    const row = rowAt(panel, style, demand);
    if (row === undefined) return [];
    const { mean, halfWidth } = estimateOf(row, metric);
    if (!Number.isFinite(mean)) return [];
    const half = Number.isFinite(halfWidth) ? halfWidth : 0;
    return [{ x: demand, y: mean, low: mean - half, high: mean + half }];
  });
  return { style, points };
}

/** The end points in words, for who cannot see the chart. */
function summaryOf(panel: Panel, metric: Metric): string {
  const last = panel.demands.at(-1)!;
  const values = panel.styles.flatMap((style) => {
    const row = rowAt(panel, style, last);
    return row === undefined
      ? []
      : [`${style.name} ${formatEstimate(estimateOf(row, metric), metric.unit)}`];
  });
  return `At demand ${last}: ${values.join("; ")}.`;
}

function oneDemand(panel: Panel, chart: LoadChart, id: string, better: string): Markup {
  const { metric, title, kind } = chart;
  return dotPlot({
    id,
    title,
    description: `${title} at KV demand ÷ capacity ${panel.focus}, one row per policy; ${better}.`,
    kind,
    xLabel: `${metric.unit === "1/s" ? "per second, " : ""}${better}`,
    xFormat: formatterOf(metric.unit),
    rows: panel.styles.flatMap((style) => {
      const row = rowAt(panel, style, panel.focus);
      if (row === undefined) return [];
      const { mean, halfWidth } = estimateOf(row, metric);
      const half = Number.isFinite(halfWidth) ? halfWidth : 0;
      return [
        {
          style,
          value: formatterOf(metric.unit)(mean),
          estimate: { mean, low: mean - half, high: mean + half },
          dots: [],
        },
      ];
    }),
  });
}

function kneeMeaning({ regime }: Panel): string {
  return regime === "open"
    ? `where fewer than ${attainmentWanted * 100} % of turns meet their SLO`
    : "most jobs per second, where more sessions at once only thrash the cache";
}

function kneeTable(panel: Panel, knees: readonly Knee[]): Markup {
  const isOpen = panel.regime === "open";
  const format = isOpen ? formatShare : formatValue;
  const sides = isOpen
    ? { below: "under ", above: "over ", inside: "" }
    : { below: "", above: "at the end, ", inside: "" };
  return dataTable(
    `The knee: ${kneeMeaning(panel)}`,
    ["policy", "demand ÷ capacity", isOpen ? "attainment there" : "jobs per second there"],
    knees.map(({ style, demand, side, value }) => ({
      style,
      heading: policyName(style),
      cells: [`${sides[side]}${formatValue(demand)}`, format(value)],
    })),
  );
}
