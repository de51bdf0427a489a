import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatMachine } from "../../report/machine.ts";
import { dataTable } from "../report/data-table.ts";
import { formatEstimate, formatShare, formatValue } from "../report/figures.ts";
import { html, Markup } from "../report/html.ts";
import { type PolicyStyle, stylesOf } from "../report/policy-style.ts";
import { type LineSeries, lineChart } from "../report/svg/line-chart.ts";
import { markerSymbols } from "../report/svg/markers.ts";
import type { PublishedResult } from "./index.ts";
import type { LlmDComparison } from "./llm-d-comparison.ts";
import {
  type LlmDFigures,
  llmDSource,
  publishedSummary,
  type Scheduler,
  schedulers,
} from "./llm-d-figures.ts";
import { differences, type Gain, lmetricSource } from "./lmetric-claims.ts";

/** Names in the lab's palette for the published schedulers. */
const styleNames: Readonly<Record<Scheduler, string>> = {
  precise: "llm-d-precise",
  approximate: "llm-d",
  load: "least-loaded",
  random: "random",
};

const styleOf = schedulerStyles();

function schedulerStyles(): Readonly<Record<Scheduler, PolicyStyle>> {
  const styles = stylesOf(Object.values(styleNames), []);
  const pairs = schedulers.map((scheduler) => {
    const style = styles.find(({ name }) => name === styleNames[scheduler])!;
    return [
      scheduler,
      { ...style, name: scheduler, label: scheduler === "approximate" ? "approx." : scheduler },
    ] as const;
  });
  return Object.fromEntries(pairs) as Record<Scheduler, PolicyStyle>;
}

/** Ours beside what others published, as one page that needs nothing from elsewhere. */
export function publishedPage(result: PublishedResult): string {
  const { llmD, lmetric, bars } = result;
  const title = "Policy lab: ours beside published results";
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><style>${new Markup(styleSheet())}</style></head>
<body>${markerSymbols()}<header class="top"><h1>${title}</h1>
<p class="lead">A simulation is believed where it reproduces what others measured. Made ${result.at.slice(0, 10)} in ${formatValue(result.wallSeconds)} s on ${formatMachine(result.machine)}.</p></header>
<main>${llmDSection(llmD)}
<h3>Bars</h3><ul class="bars">${bars.map(
    ({ name, value, bar, ok }) =>
      html`<li class="${ok ? "met" : "missed"}"><b>${ok ? "✓ met" : "✗ missed"}</b> ${name}: ${formatValue(value)} <span class="quiet">(${bar})</span></li>`,
  )}</ul>
${lmetricSection(lmetric)}</main></body></html>
`.text;
}

function llmDSection(comparison: LlmDComparison): Markup {
  const { size } = comparison;
  const figures = [
    ["Time to first token, p90", "log", "s", 1],
    ["Time to first token, mean", "log", "s", 2],
    ["Output tokens per second", "linear", "", 0],
  ] as const;
  const charts = figures.flatMap(([name, kind, unit, column]) =>
    (["published", "ours"] as const).map((whose) =>
      lineChart({
        id: `llm-d-${column}-${whose}`,
        title: `${name}: ${whose}`,
        description: `${name} against request rate, ${whose}, for four schedulers.`,
        series: schedulers.map((scheduler) => seriesOf(comparison, scheduler, whose, column)),
        xKind: "sweep",
        yKind: kind,
        xLabel: "requests per second",
        yLabel: column === 0 ? "higher is better" : "lower is better",
        xFormat: String,
        yFormat: (value) => `${formatValue(value)}${unit === "" ? "" : ` ${unit}`}`,
        hasMarkers: true,
      }),
    ),
  );
  return html`<section id="llm-d"><h2>llm-d, September 2025: four schedulers up a ladder of rates</h2>
<p>${size.replicas} replicas of 307,328 KV tokens; ${size.shape.groups} groups of ${size.shape.promptsPerGroup} prompts, ${size.shape.systemPromptTokens} shared and ${size.shape.questionTokens} own tokens, ${size.shape.outputTokens} tokens of answer; ${size.stages.length} stages of Poisson arrivals, each drained before the next. Source: ${llmDSource}.</p>
<p>The engine is a 32B profile scaled from 70B on TP4, an assumption; context shared by requests that run together is read once (22 % of it is distinct). The router adds no latency here, theirs about a quarter of a second. Their tokens per second come to about half of the 1,000 tokens that each answer was configured to have; ours has all of them.</p>
<div class="charts pairs">${charts}</div>${llmDTable(comparison)}</section>`;
}

function seriesOf(
  { size, byStage }: LlmDComparison,
  scheduler: Scheduler,
  whose: "published" | "ours",
  column: 0 | 1 | 2,
): LineSeries {
  const points = size.stages.flatMap((stage, index) => {
    const x = stage.requestsPerSecond;
    if (whose === "published") {
      const y = stage.published[scheduler][column];
      return [{ x, y, low: y, high: y }];
    }
    const ours = byStage[index]?.[scheduler];
    if (ours === undefined) return [];
    const { mean, halfWidth } = [ours.tokensPerSecond, ours.p90Seconds, ours.meanSeconds][column]!;
    const half = Number.isFinite(halfWidth) ? halfWidth : 0;
    return Number.isFinite(mean) ? [{ x, y: mean, low: mean - half, high: mean + half }] : [];
  });
  return { style: styleOf[scheduler], points };
}

function llmDTable({ overall }: LlmDComparison): Markup {
  const overRandom = ([tokens]: LlmDFigures) => tokens / publishedSummary.random[0];
  return dataTable(
    "Over all stages",
    [
      "scheduler",
      "TTFT p90, published",
      "ours",
      "TTFT mean, published",
      "ours",
      "tokens/s ÷ random, published",
      "ours",
      "hit rate, ours",
    ],
    schedulers.map((scheduler) => {
      const [, p90, mean] = publishedSummary[scheduler];
      const ours = overall[scheduler];
      return {
        style: styleOf[scheduler],
        heading: scheduler,
        cells: [
          `${formatValue(p90)} s`,
          `${formatEstimate(ours.p90Seconds, "")} s`,
          `${formatValue(mean)} s`,
          `${formatEstimate(ours.meanSeconds, "")} s`,
          formatValue(overRandom(publishedSummary[scheduler])),
          formatValue(ours.tokensPerSecond.mean / overall.random.tokensPerSecond.mean),
          formatShare(ours.hitRate.mean),
        ],
      };
    }),
  );
}

function lmetricSection(gains: readonly Gain[]): Markup {
  return html`<section id="lmetric"><h2>LMetric’s claims beside ours</h2>
<p>By how much less LMetric makes the mean time to first token and the mean time per token. Source: ${lmetricSource}.</p>
${dataTable(
  "Open load; ± half of the 95 % interval over seeds",
  [
    "against",
    "here",
    "workload",
    "demand",
    "TTFT less, claimed",
    "ours",
    "per token less, claimed",
    "ours",
  ],
  gains.map(({ claim, workload, demand, ttftLess, tpotLess }) => ({
    heading: claim.against,
    cells: [
      claim.standIn,
      workload,
      String(demand),
      formatShare(claim.ttftLess),
      formatEstimate(ttftLess, "share"),
      formatShare(claim.tpotLess),
      formatEstimate(tpotLess, "share"),
    ],
  })),
)}
<h3>Why they differ</h3><ol class="differences">${differences.map((sentence) => html`<li>${sentence}</li>`)}</ol></section>`;
}

function styleSheet(): string {
  const base = ["page.css", "charts.css", "media.css"]
    .map((name) => readFileSync(join(import.meta.dir, "../report", name), "utf8"))
    .join("\n");
  const rules = schedulers.map((scheduler) => {
    const { key, colours } = styleOf[scheduler];
    return `.${key}{--c:light-dark(${colours.join(",")})}`;
  });
  return `${base}\n${rules.join("\n")}\n.charts.pairs{grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr))}.differences li{max-width:76ch;margin:.3rem 0}`;
}
