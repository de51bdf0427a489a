import { histogramOf } from "../../aggregate.ts";
import { type Histogram, mergeHistograms, quantileOfHistogram } from "../../histogram.ts";
import type { CellResult, ClassResult } from "../../result.ts";
import { sloClasses, slos } from "../../slo.ts";
import { dataTable, policyName, type TableRow } from "../data-table.ts";
import { formatMs, formatShare, formatValue } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { type Panel, rowAt } from "../panels.ts";

/** Per class: what was promised and what came, at the focus demand. */
export function sloSection(panel: Panel): Markup {
  const present = sloClasses.filter((name) =>
    panel.rows.some(({ cells }) => cells.some(({ classes }) => classes[name] !== undefined)),
  );
  const tables = present.map((name) => {
    const { ttftMs, tpotMs } = slos[name];
    const promise = Number.isFinite(ttftMs)
      ? `first token within ${formatMs(ttftMs)}, then ${formatMs(tpotMs)} per token`
      : "nothing promised";
    const rows = panel.styles.flatMap((style): TableRow[] => {
      const cells = rowAt(panel, style, panel.focus)?.cells ?? [];
      const results = cells.flatMap(({ classes }) => classes[name] ?? []);
      if (results.length === 0) return [];
      return [{ style, heading: policyName(style), cells: figuresOf(results) }];
    });
    return dataTable(
      html`<b>${name}</b>: ${promise}`,
      ["policy", "in SLO", "TTFT p50", "p90", "p99", "per token p50", "p90", "turn p90", "turns"],
      rows,
    );
  });
  return html`<h4 id="${panel.id}-slo">SLOs at demand ${panel.focus}</h4>${tables}`;
}

function figuresOf(results: readonly ClassResult[]): string[] {
  const turns = results.reduce((sum, result) => sum + result.turns, 0);
  const met = results.reduce((sum, { turnsInSlo }) => sum + turnsInSlo, 0);
  const merged = (pick: (result: ClassResult) => Histogram) => mergeHistograms(results.map(pick));
  const ttft = mergeHistograms([
    merged(({ firstTurnTtftMs }) => firstTurnTtftMs),
    merged(({ laterTurnTtftMs }) => laterTurnTtftMs),
  ]);
  const tpot = merged(({ tpotMs }) => tpotMs);
  const turn = merged(({ turnMs }) => turnMs);
  const quantiles = [
    ...[0.5, 0.9, 0.99].map((quantile) => quantileOfHistogram(ttft, quantile)),
    ...[0.5, 0.9].map((quantile) => quantileOfHistogram(tpot, quantile)),
    quantileOfHistogram(turn, 0.9),
  ];
  return [formatShare(met / turns), ...quantiles.map(formatMs), formatValue(turns)];
}

/** Jobs that ended in the window, all seeds together; the size of what a row stands on. */
export function jobsOf(cells: readonly CellResult[]): number {
  return histogramOf(cells, ({ jctMs }) => jctMs).count;
}
