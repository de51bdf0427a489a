import { histogramOf } from "../../aggregate.ts";
import { cdfOf, type Histogram, mergeHistograms } from "../../histogram.ts";
import type { ClassResult } from "../../result.ts";
import { formatMs, formatShare } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { type Panel, panelTitle, rowAt } from "../panels.ts";
import { type LinePoint, lineChart } from "../svg/line-chart.ts";

interface Distribution {
  readonly title: string;
  pick(result: ClassResult): Histogram;
}

const distributions: readonly Distribution[] = [
  {
    title: "Time to first token, first turns",
    pick: ({ firstTurnTtftMs }) => firstTurnTtftMs,
  },
  {
    title: "Time to first token, later turns",
    pick: ({ laterTurnTtftMs }) => laterTurnTtftMs,
  },
  { title: "Job completion time", pick: ({ jctMs }) => jctMs },
];

/** Points of a curve: enough for the eye, whatever the number of buckets. */
const curvePoints = 40;

/** Whole distributions at the focus demand, all seeds and classes together. */
export function distributionSection(panel: Panel): Markup {
  const charts = distributions.map((distribution, index) =>
    distributionChart(panel, distribution, index),
  );
  return html`<h4 id="${panel.id}-cdf">Distributions at demand ${panel.focus}</h4>
<p class="quiet">Share of turns (or jobs) that took at most so long; all seeds and classes together. Further left is better.</p>
<div class="charts">${charts}</div>`;
}

function distributionChart(panel: Panel, { title, pick }: Distribution, index: number): Markup {
  const series = panel.styles.flatMap((style) => {
    const row = rowAt(panel, style, panel.focus);
    const merged = mergeHistograms(row === undefined ? [] : [histogramOf(row.cells, pick)]);
    return merged.count === 0 ? [] : [{ style, points: curveOf(merged) }];
  });
  if (series.length === 0) return html`<p class="quiet">${title}: none ended in the window.</p>`;
  return lineChart({
    id: `${panel.id}-d${index}`,
    title,
    description: `Cumulative distribution of ${title.toLowerCase()} for each policy, ${panelTitle(panel)}, demand ${panel.focus}.`,
    series,
    xKind: "log",
    yKind: "share",
    xLabel: "logarithmic",
    yLabel: "share",
    xFormat: formatMs,
    yFormat: formatShare,
    hasMarkers: false,
  });
}

/** The curve thinned to where it rises, from the first value to the last. */
function curveOf(histogram: Histogram): LinePoint[] {
  const points: LinePoint[] = [];
  let drawn = Number.NEGATIVE_INFINITY;
  const all = cdfOf(histogram);
  for (const [index, [value, share]] of all.entries()) {
    const isEnd = index === 0 || index === all.length - 1;
    if (!isEnd && share - drawn < 1 / curvePoints) continue;
    drawn = share;
    points.push({ x: Math.max(value, 0.01), y: share, low: share, high: share });
  }
  return points;
}
