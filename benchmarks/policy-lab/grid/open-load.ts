import { isTrace } from "../workload-named.ts";

/**
 * Agents and chats: 85 % of the turns that random placement serves at saturation, or less. Their
 * pauses hold KV without computing.
 */
const usualLoad = 0.25;

/**
 * Where a quarter of the KV takes nearly all of the compute or more than all, for want of pauses.
 * Each is a quarter to a third of the turns that random placement serves at saturation (four times
 * 8B on an H100, demand 1, 300 s).
 */
const loads: ReadonlyMap<string, number> = new Map([
  // Few turns, and each computes a whole context where its cache is elsewhere.
  ["agent", 0.1],
  ["rag", 0.1],
  ["rag-lite", 0.05],
  ["batch", 0.1],
  ["batch-lite", 0.02],
  ["cache-thrash", 0.02],
]);

/** Demand of the open regime that stays below saturation under every policy; a trace's own pace. */
export function openLoadOf(workload: string): number {
  return isTrace(workload) ? 1 : (loads.get(workload) ?? usualLoad);
}

/** Half to twelve times that load: below saturation to far beyond it. */
export function loadsToSaturation(workload: string): readonly number[] {
  const factors = [0.5, 1, 1.5, 2, 3, 4, 6, 8, 12];
  // They name rows: digits that come from rounding are of no use to anybody.
  return factors.map((factor) => Number((factor * openLoadOf(workload)).toPrecision(6)));
}
