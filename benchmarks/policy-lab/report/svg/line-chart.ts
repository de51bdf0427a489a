import { html, Markup } from "../html.ts";
import type { PolicyStyle } from "../policy-style.ts";
import {
  type Axis,
  axes,
  type Box,
  chartHeight,
  chartWidth,
  type FigureText,
  figure,
  pixel,
} from "./frame.ts";
import { marker } from "./markers.ts";
import { linearScale, logScale, type Scale, shareScale, sweepScale } from "./scale.ts";

/** A value with its interval; `low` and `high` are equal to `y` where there is none. */
export interface LinePoint {
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

export interface LineSeries {
  readonly style: PolicyStyle;
  readonly points: readonly LinePoint[];
}

/** How the y axis runs. */
export type YKind = "linear" | "log" | "share";

export interface LineChart extends FigureText {
  readonly series: readonly LineSeries[];
  /** "sweep": a tick at every x that was measured; "log": a logarithmic axis (distributions). */
  readonly xKind: "sweep" | "log";
  readonly yKind: YKind;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xFormat: (value: number) => string;
  readonly yFormat: (value: number) => string;
  /** Draw a marker with a tooltip at each point; curves of distributions have none. */
  readonly hasMarkers: boolean;
  /** Rings around points that stand for something, explained in the note. */
  readonly rings?: readonly {
    readonly style: PolicyStyle;
    readonly x: number;
    readonly y: number;
  }[];
}

const box: Box = { left: 48, right: chartWidth - 74, top: 22, bottom: chartHeight - 40 };
const labelHeight = 11.5;
/** Intervals are drawn in full up to so many times the largest mean, and cut off above. */
const intervalRoom = 1.3;

/** Lines with bands for their intervals, labelled at their ends. */
export function lineChart(chart: LineChart): Markup {
  const points = chart.series.flatMap((series) => series.points);
  const x = xScale(chart, points);
  const y = yScale(chart.yKind, points);
  const xAxis: Axis = { scale: x, label: chart.xLabel, format: chart.xFormat };
  const yAxis: Axis = { scale: y, label: chart.yLabel, format: chart.yFormat };
  const rings = (chart.rings ?? []).map(
    (ring) =>
      html`<circle class="ring ${ring.style.key}" cx="${pixel(x.at(ring.x))}" cy="${pixel(y.at(ring.y))}" r="6.5"/>`,
  );
  return figure(chart, chartHeight, [
    axes(box, xAxis, yAxis),
    chart.series.map((series) => band(series, x, y)),
    chart.series.map((series) => line(series, chart, x, y)),
    rings,
    chart.hasMarkers ? endLabels(chart.series, y) : legend(chart.series),
  ]);
}

function xScale({ xKind }: LineChart, points: readonly LinePoint[]): Scale {
  const values = [...new Set(points.map((point) => point.x))].toSorted((one, other) => one - other);
  if (xKind === "log") return logScale(values, box.left, box.right);
  return sweepScale(values, box.left + 6, box.right - 6);
}

function yScale(kind: YKind, points: readonly LinePoint[]): Scale {
  if (kind === "share") return shareScale(box.bottom, box.top);
  if (kind === "linear") {
    // Means decide: with two seeds an interval may be ten times the rest of the plot.
    const most = Math.max(0, ...points.map((point) => point.y));
    const values = points.flatMap(({ y, high }) => [y, Math.min(high, most * intervalRoom)]);
    return linearScale(values, box.bottom, box.top);
  }
  return logScale(
    points.map((point) => point.y),
    box.bottom,
    box.top,
  );
}

function band({ style, points }: LineSeries, x: Scale, y: Scale): Markup | undefined {
  const wide = points.filter(({ low, high }) => high > low);
  if (wide.length < 2) return undefined;
  const clamp = (value: number) => Math.min(box.bottom, Math.max(box.top, value));
  const upper = wide.map((point) => `${pixel(x.at(point.x))} ${pixel(clamp(y.at(point.high)))}`);
  const lower = wide
    .toReversed()
    .map((point) => `${pixel(x.at(point.x))} ${pixel(clamp(y.at(point.low)))}`);
  return html`<path class="band ${style.key}" d="M${[...upper, ...lower].join("L")}Z"/>`;
}

function line({ style, points }: LineSeries, chart: LineChart, x: Scale, y: Scale): Markup {
  const path = points
    .map(({ x: at, y: value }) => `${pixel(x.at(at))} ${pixel(y.at(value))}`)
    .join("L");
  const markers = chart.hasMarkers
    ? points.map((point) =>
        marker(
          style.marker,
          pixel(x.at(point.x)),
          pixel(y.at(point.y)),
          tipOf(style, chart, point),
        ),
      )
    : undefined;
  return html`<g class="series ${style.key}"><path class="line" d="M${path}"${dashOf(style)}/>${markers}</g>`;
}

function tipOf(style: PolicyStyle, chart: LineChart, point: LinePoint): string {
  const half = (point.high - point.low) / 2;
  const interval = half > 0 ? ` ± ${chart.yFormat(half)}` : "";
  return `${style.name} at ${chart.xFormat(point.x)}: ${chart.yFormat(point.y)}${interval}`;
}

/** Names at the right, moved apart where ends are close, each tied to its end. */
function endLabels(series: readonly LineSeries[], y: Scale): Markup[] {
  const ends = series
    .filter(({ points }) => points.length > 0)
    .map(({ style, points }) => {
      const end = y.at(points.at(-1)!.y);
      return { style, end, at: end };
    })
    .toSorted((one, other) => one.at - other.at);
  for (const [index, label] of ends.entries()) {
    const above = ends[index - 1];
    if (above !== undefined) label.at = Math.max(label.at, above.at + labelHeight);
  }
  const lowest = box.bottom + 22;
  for (let index = ends.length - 1; index >= 0; index--) {
    const limit = index === ends.length - 1 ? lowest : ends[index + 1]!.at - labelHeight;
    ends[index]!.at = Math.min(ends[index]!.at, limit);
  }
  return ends.map(
    ({ style, end, at }) =>
      html`<g class="end ${style.key}"><path class="leader" d="M${box.right} ${pixel(end)}l3 0L${box.right + 8} ${pixel(at)}"/><text x="${box.right + 10}" y="${pixel(at)}" dy=".32em">${style.label}</text></g>`,
  );
}

/** Names at the right with a piece of their line, in the order of their medians: all end at 1. */
function legend(series: readonly LineSeries[]): Markup[] {
  const median = ({ points }: LineSeries) => points.find(({ y }) => y >= 0.5)?.x ?? 0;
  const ordered = series.toSorted((one, other) => median(one) - median(other));
  return ordered.map(({ style }, index) => {
    const y = box.top + 6 + index * labelHeight * 1.15;
    return html`<g class="end ${style.key}"><path class="line" d="M${box.right + 2} ${pixel(y)}h12"${dashOf(style)}/><text x="${box.right + 17}" y="${pixel(y)}" dy=".32em">${style.label}</text></g>`;
  });
}

function dashOf({ dash }: PolicyStyle): Markup | undefined {
  return dash === "" ? undefined : new Markup(` stroke-dasharray="${dash}"`);
}
