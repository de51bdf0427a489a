import { type Content, html, type Markup } from "../html.ts";
import type { Scale } from "./scale.ts";

/** Size of a chart in user units: about the pixels of a phone, so that text stays legible there. */
export const chartWidth = 420;
export const chartHeight = 270;

/** The plot's rectangle. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** What every figure says about itself. */
export interface FigureText {
  /** Unique in the page. */
  readonly id: string;
  readonly title: string;
  /** For who cannot see it: what is drawn and what to look for. */
  readonly description: string;
  /** Below the chart. */
  readonly note?: string;
}

/** A figure: caption, an SVG with title and description, a note. */
export function figure(text: FigureText, height: number, content: Content): Markup {
  return html`<figure>
<figcaption>${text.title}</figcaption>
<svg viewBox="0 0 ${chartWidth} ${height}" role="img" aria-labelledby="${text.id}-t ${text.id}-d">
<title id="${text.id}-t">${text.title}</title><desc id="${text.id}-d">${text.description}</desc>
${content}</svg>${text.note === undefined ? undefined : html`<p class="note">${text.note}</p>`}
</figure>`;
}

/** One axis with its notation and label. */
export interface Axis {
  readonly scale: Scale;
  readonly label: string;
  readonly format: (value: number) => string;
}

/** Mean width of a character of a tick's label, on a narrow screen. */
const tickCharacterWidth = 6;

/** Grid, ticks and labels. */
export function axes(box: Box, x: Axis, y: Axis): Markup {
  const across = y.scale.ticks.map((tick) => {
    const at = pixel(y.scale.at(tick));
    return html`<path class="grid" d="M${box.left} ${at}H${box.right}"/><text class="tick" text-anchor="end" x="${box.left - 5}" y="${at}" dy=".32em">${y.format(tick)}</text>`;
  });
  let writtenTo = Number.NEGATIVE_INFINITY;
  const up = x.scale.ticks.map((tick) => {
    const at = pixel(x.scale.at(tick));
    const text = x.format(tick);
    const half = (text.length * tickCharacterWidth) / 2;
    // Ticks that are close keep their line; only labels that do not meet are written.
    const isFree = at - half > writtenTo;
    if (isFree) writtenTo = at + half + tickCharacterWidth;
    const label = isFree
      ? html`<text class="tick" text-anchor="middle" x="${at}" y="${box.bottom + 14}">${text}</text>`
      : undefined;
    return html`<path class="grid" d="M${at} ${box.top}V${box.bottom}"/>${label}`;
  });
  const middle = (box.left + box.right) / 2;
  return html`${across}${up}<path class="axis" d="M${box.left} ${box.bottom}H${box.right}"/>
<text class="axis-label" text-anchor="middle" x="${middle}" y="${box.bottom + 29}">${x.label}</text>
<text class="axis-label" x="2" y="10">${y.label}</text>`;
}

/** Coordinates to a tenth of a unit: half the bytes, and nobody sees the rest. */
export function pixel(value: number): number {
  return Math.round(value * 10) / 10;
}
