import { estimateOf, metrics } from "../../aggregate.ts";
import type { CellResult } from "../../result.ts";
import { formatShare, formatValue } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { type Panel, panelTitle, rowAt } from "../panels.ts";
import { type DotRow, dotPlot } from "../svg/dot-plot.ts";

/** How equally tenants are served, at the focus demand. */
export function fairnessSection(panel: Panel): Markup {
  const rows = panel.styles.flatMap((style): DotRow[] => {
    const row = rowAt(panel, style, panel.focus);
    if (row === undefined) return [];
    const { mean } = estimateOf(row, metrics.jain);
    const tenants = speedsOf(row.cells);
    return [
      {
        style,
        value: `Jain ${Number.isFinite(mean) ? mean.toFixed(3) : "–"}`,
        dots: tenants.map(({ tenant, speed, turns }) => ({
          value: speed,
          tip: `${style.name}, ${tenant}: speed ${formatShare(speed)}, ${formatValue(turns)} turns`,
        })),
      },
    ];
  });
  const tenants = new Set(
    panel.rows.flatMap(({ cells }) =>
      cells.flatMap((cell) => cell.tenants.map(({ tenant }) => tenant)),
    ),
  );
  const heading = html`<h4 id="${panel.id}-fair">Fairness at demand ${panel.focus}</h4>`;
  if (tenants.size < 2) return html`${heading}<p class="quiet">One tenant only.</p>`;
  return html`${heading}
<p class="quiet">Each dot is a tenant: how fast its turns were served, as a share of an idle replica with the session cached (mean over seeds). Dots close together are fair; dots to the right are fast. Jain’s index: 1 = all equal, 1/${tenants.size} = one has everything.</p>
<div class="charts wide">${dotPlot({
    id: `${panel.id}-f`,
    title: `Speed of ${tenants.size} tenants`,
    description: `Speed of each tenant under each policy, ${panelTitle(panel)}. ${rows.map(({ style, value }) => `${style.name}: ${value}`).join("; ")}.`,
    kind: "share",
    xLabel: "share of the speed on an idle, warm replica",
    xFormat: formatShare,
    rows,
  })}</div>`;
}

function speedsOf(cells: readonly CellResult[]) {
  const all = Map.groupBy(
    cells.flatMap(({ tenants }) => tenants),
    ({ tenant }) => tenant,
  );
  return [...all].map(([tenant, results]) => ({
    tenant,
    speed: results.reduce((sum, { speed }) => sum + speed, 0) / results.length,
    turns: results.reduce((sum, { turns }) => sum + turns, 0),
  }));
}
