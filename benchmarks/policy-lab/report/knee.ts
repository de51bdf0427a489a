import { estimateOf, metrics } from "../aggregate.ts";
import { type Panel, rowAt } from "./panels.ts";
import type { PolicyStyle } from "./policy-style.ts";

/** Share of turns that must meet their SLO: the definition of goodput in DistServe (OSDI'24). */
export const attainmentWanted = 0.9;

/** Where a policy's fleet stops coping. */
export interface Knee {
  readonly style: PolicyStyle;
  /** Open load: the demand at which attainment falls below 90 %. Saturation: of most jobs/s. */
  readonly demand: number;
  /** "below" / "above": the knee lies outside what was swept, and `demand` is the nearest end. */
  readonly side: "inside" | "below" | "above";
  readonly value: number;
}

export function kneesOf(panel: Panel): readonly Knee[] {
  return panel.styles.flatMap((style) => {
    const metric = panel.regime === "open" ? metrics.sloAttainment : metrics.jobs;
    const points = panel.demands.flatMap((demand) => {
      const row = rowAt(panel, style, demand);
      const value = row === undefined ? Number.NaN : estimateOf(row, metric).mean;
      return Number.isFinite(value) ? [{ demand, value }] : [];
    });
    if (points.length === 0) return [];
    return [panel.regime === "open" ? fallBelow(style, points) : peak(style, points)];
  });
}

interface Point {
  readonly demand: number;
  readonly value: number;
}

function peak(style: PolicyStyle, points: readonly Point[]): Knee {
  const best = points.reduce((most, point) => (point.value > most.value ? point : most));
  const side = points.length > 1 && best === points.at(-1) ? "above" : "inside";
  return { style, demand: best.demand, value: best.value, side };
}

/** The first crossing, straight lines between the points. */
function fallBelow(style: PolicyStyle, points: readonly Point[]): Knee {
  const first = points[0]!;
  if (first.value < attainmentWanted) {
    return { style, demand: first.demand, value: first.value, side: "below" };
  }
  for (const [index, point] of points.entries()) {
    const before = points[index - 1];
    if (before === undefined || point.value >= attainmentWanted) continue;
    const share = (before.value - attainmentWanted) / (before.value - point.value);
    const demand = before.demand + share * (point.demand - before.demand);
    return { style, demand, value: attainmentWanted, side: "inside" };
  }
  const last = points.at(-1)!;
  return { style, demand: last.demand, value: last.value, side: "above" };
}
