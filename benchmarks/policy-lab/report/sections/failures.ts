import { mergeHistograms, quantileOfHistogram } from "../../histogram.ts";
import type { CellResult } from "../../result.ts";
import { dataTable, policyName, type TableRow } from "../data-table.ts";
import { formatMs, formatValue } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { type Panel, rowAt } from "../panels.ts";

/** What went wrong, was thrown away or waited, and that nothing was lost, at the focus demand. */
export function failureSection(panel: Panel): Markup {
  const rows = panel.styles.flatMap((style): TableRow[] => {
    const cells = rowAt(panel, style, panel.focus)?.cells ?? [];
    return cells.length === 0
      ? []
      : [{ style, heading: policyName(style), cells: figuresOf(cells) }];
  });
  return html`<h4 id="${panel.id}-fail">Failures, waiting and waste at demand ${panel.focus}</h4>
${dataTable(
  "All seeds together. Conserved: turns sent = turns ended + turns under way when the run stopped",
  [
    "policy",
    "resent after a loss",
    "left by clients",
    "sessions too large",
    "held turns",
    "held p90",
    "preemptions",
    "blocks evicted",
    "conserved",
  ],
  rows,
)}`;
}

function figuresOf(cells: readonly CellResult[]): string[] {
  const total = (read: (cell: CellResult) => number) =>
    cells.reduce((sum, cell) => sum + read(cell), 0);
  const held = mergeHistograms(cells.map((cell) => cell.held.heldMs));
  const lost = total(({ conservation }) => {
    const { sent, ended, underWay } = conservation;
    return sent - ended - underWay;
  });
  return [
    formatValue(total(({ retries }) => retries)),
    formatValue(total(({ aborts }) => aborts)),
    formatValue(total(({ sessionsLeftOut }) => sessionsLeftOut)),
    formatValue(total((cell) => cell.held.turns)),
    held.count === 0 ? "–" : formatMs(quantileOfHistogram(held, 0.9)),
    formatValue(total(({ preemptions }) => preemptions)),
    formatValue(total(({ evictions }) => evictions)),
    lost === 0 ? "✓ yes" : `✗ ${lost} lost`,
  ];
}
