import type { K6Summary, ThresholdResult } from "./serve-summary.ts";

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 0 0 2rem; font-variant-numeric: tabular-nums; }
div { overflow-x: auto; }
th, td { text-align: right; padding: .3rem .7rem; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
th:first-child, td:first-child { text-align: left; }
.broken { font-weight: 700; }
`;

/** The run as one self-contained page. */
export function summaryPage(page: {
  readonly title: string;
  readonly facts: Readonly<Record<string, number | string>>;
  readonly thresholds: readonly ThresholdResult[];
  readonly summary: K6Summary;
}): string {
  const trends = Object.entries(page.summary.metrics)
    .filter(([, { values }]) => values["p(95)"] !== undefined && (values["count"] ?? 0) > 0)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)}</title><style>${style}</style>
<h1>${escapeHtml(page.title)}</h1>
<h2>Thresholds</h2>
${table(
  ["metric", "wanted", "value", "held"],
  page.thresholds.map(({ metric, expression, value, ok }) => [
    metric,
    expression,
    number(value),
    ok ? "yes" : "NO",
  ]),
)}
<h2>Times</h2>
${table(
  ["ms", "count", "mean", "p50", "p90", "p95", "p99", "max"],
  trends.map(([name, { values }]) => [
    name,
    ...["count", "avg", "med", "p(90)", "p(95)", "p(99)", "max"].map((key) =>
      number(values[key] ?? Number.NaN),
    ),
  ]),
)}
<h2>Run</h2>
${table(
  ["field", "value"],
  Object.entries(page.facts).map(([name, value]) => [
    name,
    typeof value === "number" ? number(value) : value,
  ]),
)}
</html>
`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: "th" | "td") =>
    `<tr>${cells.map((cell) => `<${tag}${cell === "NO" ? ' class="broken"' : ""}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return `<div><table>${line(header, "th")}${rows.map((row) => line(row, "td")).join("")}</table></div>`;
}

/** At most three decimals, none for large numbers. */
function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return String(Math.abs(value) >= 1000 ? Math.round(value) : Math.round(value * 1000) / 1000);
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
