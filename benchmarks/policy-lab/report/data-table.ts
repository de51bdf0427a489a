import { type Content, html, type Markup } from "./html.ts";
import type { PolicyStyle } from "./policy-style.ts";
import { marker } from "./svg/markers.ts";

export interface TableRow {
  /** Filtered and coloured with its policy. */
  readonly style?: PolicyStyle;
  readonly heading: Content;
  readonly cells: readonly (Content | TableCell)[];
}

export interface TableCell {
  readonly content: Content;
  /** Words for classes of the cell, e.g. "best". */
  readonly kind?: string;
  /** 0 to 1: darkness of the ground, for tables that are read as maps. */
  readonly heat?: number;
}

/** A table with row headings that scrolls sideways by itself on a narrow screen. */
export function dataTable(
  caption: Content,
  header: readonly Content[],
  rows: readonly TableRow[],
): Markup {
  return html`<div class="scroll" tabindex="0"><table><caption>${caption}</caption>
<thead><tr>${header.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>${rows.map(tableRow)}</tbody></table></div>`;
}

/** A policy's marker and name, for row headings. */
export function policyName(style: PolicyStyle): Markup {
  return html`<span class="name ${style.key}"><svg class="chip" viewBox="-8 -6 16 12" aria-hidden="true">${chipLine(style)}${marker(style.marker, 0, 0)}</svg>${style.name}${style.isBound ? html` <small>bound</small>` : undefined}</span>`;
}

function chipLine({ dash }: PolicyStyle): Markup {
  return html`<path class="line" d="M-8 0H8" stroke-dasharray="${dash || "none"}"/>`;
}

function tableRow({ style, heading, cells }: TableRow): Markup {
  const kind = `${style?.key ?? ""}${style?.isBound ? " bound" : ""}`;
  return html`<tr class="${kind}"><th scope="row">${heading}</th>${cells.map(tableCell)}</tr>`;
}

function tableCell(cell: Content | TableCell): Markup {
  if (typeof cell !== "object" || !("content" in cell)) return html`<td>${cell}</td>`;
  const style =
    cell.heat === undefined ? undefined : html` style="--heat:${Math.round(cell.heat * 100)}%"`;
  return html`<td class="${cell.kind ?? ""}"${style}>${cell.content}</td>`;
}
