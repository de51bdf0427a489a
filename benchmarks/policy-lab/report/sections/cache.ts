import { estimateOf, metrics } from "../../aggregate.ts";
import { dataTable, policyName, type TableCell } from "../data-table.ts";
import { formatShare } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { type Panel, rowAt } from "../panels.ts";

/** Hit rate as a share of what one infinite cache would have served of the same turns. */
export function cacheSection(panel: Panel): Markup {
  const rows = panel.styles.map((style) => ({
    style,
    heading: policyName(style),
    cells: panel.demands.map((demand): TableCell => {
      const row = rowAt(panel, style, demand);
      if (row === undefined) return { content: "–" };
      const { mean } = estimateOf(row, metrics.hitEfficiency);
      const rate = estimateOf(row, metrics.hitRate).mean;
      return {
        content: html`${formatShare(mean)} <small>${formatShare(rate)}</small>`,
        kind: "heat-cell",
        heat: Number.isFinite(mean) ? Math.min(1, Math.max(0, mean)) : 0,
      };
    }),
  }));
  return html`<h4 id="${panel.id}-cache">Hit rate against its bound</h4>
${dataTable(
  "Cached prompt tokens ÷ what one infinite cache would have served; small: ÷ all prompt tokens",
  ["policy", ...panel.demands.map((demand) => `demand ${demand}`)],
  rows,
)}`;
}
