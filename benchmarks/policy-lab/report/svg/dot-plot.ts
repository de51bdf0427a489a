import { html, type Markup } from "../html.ts";
import type { PolicyStyle } from "../policy-style.ts";
import { type Axis, axes, type Box, chartWidth, type FigureText, figure, pixel } from "./frame.ts";
import { marker } from "./markers.ts";
import { linearScale, logScale, shareScale } from "./scale.ts";

export interface DotRow {
  readonly style: PolicyStyle;
  /** Written at the right. */
  readonly value: string;
  /** Drawn large, with its interval. */
  readonly estimate?: { readonly mean: number; readonly low: number; readonly high: number };
  /** Drawn small. */
  readonly dots: readonly { readonly value: number; readonly tip: string }[];
}

export interface DotPlot extends FigureText {
  readonly rows: readonly DotRow[];
  readonly kind: "linear" | "log" | "share";
  readonly xLabel: string;
  readonly xFormat: (value: number) => string;
}

const rowHeight = 19;

/** One row for each policy, its values along a common axis. */
export function dotPlot(plot: DotPlot): Markup {
  const height = 30 + plot.rows.length * rowHeight + 40;
  const box: Box = { left: 76, right: chartWidth - 84, top: 14, bottom: height - 40 };
  const values = plot.rows.flatMap(({ dots, estimate }) => [
    ...dots.map(({ value }) => value),
    ...(estimate === undefined ? [] : [estimate.mean, estimate.high]),
  ]);
  const scale =
    plot.kind === "share"
      ? shareScale(box.left, box.right)
      : (plot.kind === "log" ? logScale : linearScale)(values, box.left, box.right);
  const x: Axis = { scale, label: plot.xLabel, format: plot.xFormat };
  const none: Axis = { scale: { ticks: [], at: () => 0 }, label: "", format: String };
  const clamp = (value: number) => pixel(Math.min(box.right, Math.max(box.left, scale.at(value))));
  const rows = plot.rows.map(({ style, value, estimate, dots }, index) => {
    const y = box.top + 12 + index * rowHeight;
    const small = dots.map(
      (dot) =>
        html`<circle class="dot" cx="${clamp(dot.value)}" cy="${y}" r="2.6"><title>${dot.tip}</title></circle>`,
    );
    const large =
      estimate === undefined || !Number.isFinite(estimate.mean)
        ? undefined
        : html`<path class="whisker" d="M${clamp(estimate.low)} ${y}H${clamp(estimate.high)}"/>${marker(style.marker === "none" ? "plus" : style.marker, clamp(estimate.mean), y, `${style.name}: ${value}`)}`;
    return html`<g class="series ${style.key}"><path class="rule" d="M${box.left} ${y}H${box.right}"/><text class="row-label" text-anchor="end" x="${box.left - 6}" y="${y}" dy=".32em">${style.label}</text>${small}${large}<text class="row-value" x="${box.right + 6}" y="${y}" dy=".32em">${value}</text></g>`;
  });
  return figure(plot, height, [axes(box, x, none), rows]);
}
