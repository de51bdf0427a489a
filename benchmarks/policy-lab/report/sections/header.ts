import { formatMachine } from "../../../report/machine.ts";
import type { LabResult } from "../../result.ts";
import { formatMs, formatValue } from "../figures.ts";
import { type Content, html, type Markup } from "../html.ts";

/** What a reader must know before any figure: what was run, how, on what. */
export function headerSection(run: LabResult): Markup {
  const specs = run.cells.map(({ spec }) => spec);
  const listed = (values: Iterable<string | number>) => [...new Set(values)].join(", ");
  const seeds = [...new Set(specs.map(({ seed }) => seed))].toSorted((one, other) => one - other);
  const scenarios = specs.map(({ scenario }) => scenario);
  const facts: readonly (readonly [string, Content])[] = [
    ["Command", html`<code>${run.command}</code>`],
    ["When", `${run.at.replace("T", " ").slice(0, 16)} UTC`],
    ["Code", html`<code>${run.fingerprint}</code>`],
    ["Machine", formatMachine(run.machine)],
    ["Took", `${formatMs(run.wallSeconds * 1000)} on ${run.workers} worker processes`],
    ["Policies", String(new Set(specs.map(({ policy }) => policy)).size)],
    ["Workloads", listed(specs.map(({ workload }) => workload))],
    ["Replicas", listed(specs.map(({ replicas }) => replicas))],
    ["KV demand ÷ capacity", listed(specs.map(({ demand }) => demand))],
    ["Seeds", `${seeds.length} (${seeds.join(", ")})`],
    ["Virtual time", windowsOf(run)],
    ["Engine profiles", listed(scenarios.flatMap(({ profiles }) => profiles))],
    ["KV blocks of a replica", listed(scenarios.map(({ blocks }) => blocks ?? "the profile's"))],
    ["Router's view", viewsOf(run)],
    ["Cells", cellsOf(run)],
    ["Simulated", simulatedOf(run)],
  ];
  return html`<section id="run" aria-labelledby="run-h"><h2 id="run-h">The run</h2>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
${barsOf(run)}</section>`;
}

function windowsOf({ cells }: LabResult): string {
  const windows = cells.map(
    ({ spec }) => `${formatMs(spec.measuredMs)} measured after ${formatMs(spec.warmupMs)} warm-up`,
  );
  return [...new Set(windows)].join("; ");
}

function viewsOf({ cells }: LabResult): string {
  const views = cells.map(({ spec: { scenario } }) => {
    const loss = scenario.eventLoss > 0 ? `, ${scenario.eventLoss * 100} % of events lost` : "";
    return `gauges every ${formatMs(scenario.scrapeMs)}, KV events ${formatMs(scenario.eventLagMs)} late${loss}`;
  });
  return [...new Set(views)].join("; ");
}

function cellsOf({ cells, missingCells }: LabResult): string {
  if (missingCells === 0) return String(cells.length);
  return `${cells.length}; ${missingCells} of the grid were not run`;
}

function simulatedOf({ cells }: LabResult): string {
  const events = cells.reduce((sum, { cost }) => sum + cost.tokenEvents, 0);
  const seconds = cells.reduce((sum, { cost }) => sum + cost.wallSeconds, 0);
  const rate = events / seconds / 1e6;
  return `${formatValue(events / 1e9)} G token events, ${formatValue(rate)} M per second and core`;
}

function barsOf({ bars }: LabResult): Markup | undefined {
  if (bars.length === 0) return undefined;
  const items = bars.map(
    ({ name, value, bar, ok }) =>
      html`<li class="${ok ? "met" : "missed"}"><b>${ok ? "✓ met" : "✗ missed"}</b> ${name}: ${formatValue(value)} <span class="quiet">(${bar})</span></li>`,
  );
  return html`<h3>Bars</h3><ul class="bars">${items}</ul>`;
}
