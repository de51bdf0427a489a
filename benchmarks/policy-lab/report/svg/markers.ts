import { html, Markup } from "../html.ts";
import type { MarkerName } from "../policy-style.ts";

const shapes: Readonly<Record<Exclude<MarkerName, "none">, string>> = {
  circle: "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0Z",
  square: "M-3-3H3V3H-3Z",
  diamond: "M0-4.3L4.3 0L0 4.3L-4.3 0Z",
  up: "M0-4L3.9 3H-3.9Z",
  down: "M0 4L3.9-3H-3.9Z",
  cross: "M-3-3L3 3M-3 3L3-3",
  plus: "M-3.8 0H3.8M0-3.8V3.8",
  star: "M0-4.6L1.2-1.5L4.5-1.4L1.9.7L2.8 3.9L0 2L-2.8 3.9L-1.9.7L-4.5-1.4L-1.2-1.5Z",
};

/** The shapes of all markers, once per page; charts refer to them. */
export function markerSymbols(): Markup {
  const symbols = Object.entries(shapes).map(
    ([name, path]) => `<path id="m-${name}" class="marker" d="${path}"/>`,
  );
  return html`<svg width="0" height="0" aria-hidden="true" class="symbols"><defs>${new Markup(symbols.join(""))}</defs></svg>`;
}

/** One marker at a place; nothing for "none". */
export function marker(name: MarkerName, x: number, y: number, tip?: string): Markup | undefined {
  const title = tip === undefined ? undefined : html`<title>${tip}</title>`;
  if (name === "none") {
    // A bound has no marker, but its values can be pointed at too.
    if (title === undefined) return undefined;
    return html`<circle class="spot" cx="${x}" cy="${y}" r="5">${title}</circle>`;
  }
  return html`<use href="#m-${name}" x="${x}" y="${y}">${title}</use>`;
}
