import { html, type Markup } from "../html.ts";
import { chartWidth, type FigureText, figure, pixel } from "./frame.ts";

export interface HeatStrips extends FigureText {
  /** One row each, all of one length. */
  readonly rows: readonly (readonly number[])[];
  readonly everyMs: number;
  /** The value that is drawn darkest. */
  readonly full: number;
}

/** Steps of darkness; a strip is told by luminance alone. */
export const heatLevels = 6;

const left = 30;
const right = chartWidth - 6;
const rowHeight = 9;

/** One strip for each replica, time from left to right, darker = more. */
export function heatStrips(strips: HeatStrips): Markup {
  const samples = Math.max(1, ...strips.rows.map((row) => row.length));
  const columnWidth = (right - left) / samples;
  const paths = Array.from({ length: heatLevels }, () => "");
  for (const [replica, row] of strips.rows.entries()) {
    for (const { level, from, to } of runsOf(row, strips.full)) {
      if (level === 0) continue;
      const x = pixel(left + from * columnWidth);
      const width = pixel((to - from) * columnWidth);
      paths[level - 1] += `M${x} ${replica * rowHeight}h${width}v${rowHeight - 1}h-${width}z`;
    }
  }
  const height = strips.rows.length * rowHeight + 16;
  const seconds = Math.round((samples * strips.everyMs) / 1000);
  const labels = strips.rows.map((_, replica) =>
    strips.rows.length > 8 && replica % 4 !== 0
      ? undefined
      : html`<text class="tick" text-anchor="end" x="${left - 4}" y="${replica * rowHeight + 7}">${replica}</text>`,
  );
  return figure(strips, height, [
    html`<rect class="heat-ground" x="${left}" y="0" width="${right - left}" height="${height - 16}"/>`,
    paths.map((path, level) =>
      path === "" ? undefined : html`<path class="heat heat-${level + 1}" d="${path}"/>`,
    ),
    labels,
    html`<text class="tick" x="${left}" y="${height - 4}">0 s</text><text class="tick" text-anchor="end" x="${right}" y="${height - 4}">${seconds} s</text>`,
  ]);
}

/** Stretches of equal darkness: 0 is nothing, `heatLevels` is `full` or more. */
function runsOf(row: readonly number[], full: number) {
  const runs: { level: number; from: number; to: number }[] = [];
  for (const [index, value] of row.entries()) {
    const share = full > 0 ? Math.min(1, value / full) : 0;
    const level = Math.ceil(share * heatLevels - 1e-9);
    const last = runs.at(-1);
    if (last?.level === level) last.to = index + 1;
    else runs.push({ level, from: index, to: index + 1 });
  }
  return runs;
}
