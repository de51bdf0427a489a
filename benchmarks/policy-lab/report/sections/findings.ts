import { type Estimate, estimateOf, type Metric, metrics } from "../../aggregate.ts";
import { formatEstimate, formatShare, formatValue } from "../figures.ts";
import { html, type Markup } from "../html.ts";
import { type Panel, panelTitle, rowAt } from "../panels.ts";
import type { PolicyStyle } from "../policy-style.ts";

interface Standing {
  readonly style: PolicyStyle;
  readonly estimate: Estimate;
}

/** What people run today without looking at caches: the comparison that counts. */
const plainPolicies: readonly string[] = ["least-loaded", "session-hash"];

/** The run in a few sentences, each computed from the cells. */
export function findingsSection(panels: readonly Panel[]): Markup {
  const items = panels.flatMap((panel) => {
    const demands = [...new Set([panel.focus, panel.demands.at(-1)!])];
    return demands.flatMap((demand) => finding(panel, demand));
  });
  if (items.length === 0) return html``;
  return html`<section id="findings" aria-labelledby="findings-h"><h2 id="findings-h">In short</h2>
<ul class="findings">${items}</ul>
<p class="quiet">“Best” is the best mean among contenders; whether its lead is more than noise is in the tables (★).</p></section>`;
}

function finding(panel: Panel, demand: number): Markup[] {
  const isOpen = panel.regime === "open";
  const metric = isOpen ? metrics.ttftP90 : metrics.jobs;
  const contenders = standings(panel, demand, metric).filter(({ style }) => !style.isBound);
  const best = contenders[0];
  const worst = contenders.at(-1);
  if (best === undefined || worst === undefined || best === worst) return [];
  const plain = contenders.filter(
    (its) => its !== best && (its === worst || plainPolicies.includes(its.style.name)),
  );
  const bound = standings(panel, demand, metric).find(({ style }) => style.isBound);
  const row = rowAt(panel, best.style, demand);
  const efficiency = row === undefined ? Number.NaN : estimateOf(row, metrics.hitEfficiency).mean;
  return [
    html`<li><span class="where">${panelTitle(panel)}, ${isOpen ? "open load" : "saturation"}, demand ${demand}</span>
<b>${best.style.name}</b> has the best ${isOpen ? "p90 time to first token" : "jobs per second"}: ${formatEstimate(best.estimate, metric.unit)}. That is ${plain.map((its, index) => `${index === 0 ? "" : ", "}${against(best, its, isOpen)}`)}${bound === undefined ? "" : `; ${againstBound(best, bound, isOpen)}`}. Its hits are ${formatShare(efficiency)} of the infinite-cache bound.</li>`,
  ];
}

/** Policies with a value, best first. */
function standings(panel: Panel, demand: number, metric: Metric): readonly Standing[] {
  const sign = metric.better === "higher" ? -1 : 1;
  return panel.styles
    .flatMap((style): Standing[] => {
      const row = rowAt(panel, style, demand);
      if (row === undefined) return [];
      const estimate = estimateOf(row, metric);
      return Number.isFinite(estimate.mean) ? [{ style, estimate }] : [];
    })
    .toSorted((one, other) => sign * (one.estimate.mean - other.estimate.mean));
}

function against(best: Standing, other: Standing, isShorter: boolean): string {
  const ratio = best.estimate.mean / other.estimate.mean;
  const { name } = other.style;
  return isShorter
    ? `${formatValue(1 / ratio)} × shorter than ${name}`
    : `${formatValue(ratio)} × ${name}`;
}

function againstBound(best: Standing, bound: Standing, isShorter: boolean): string {
  const ratio = best.estimate.mean / bound.estimate.mean;
  return isShorter
    ? `${formatValue(ratio)} × the bound (${bound.style.name})`
    : `${formatShare(ratio)} of the bound (${bound.style.name})`;
}
