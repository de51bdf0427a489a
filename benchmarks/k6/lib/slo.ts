import type { PlannedSession } from "./plan.ts";

/** What a class of callers is promised, in ms; the mean gap between tokens counts, not each. */
export interface Slo {
  readonly timeToFirstTokenMs: number;
  readonly interTokenMs: number;
}

/** By class. A batch has no promise but an answer. */
export const slos: Readonly<Record<PlannedSession["sloClass"], Slo>> = {
  interactive: { timeToFirstTokenMs: 500, interTokenMs: 20 },
  agent: { timeToFirstTokenMs: 2_000, interTokenMs: 30 },
  batch: { timeToFirstTokenMs: Number.POSITIVE_INFINITY, interTokenMs: Number.POSITIVE_INFINITY },
};

/** True when an answer kept both promises; one without gaps has no inter-token time to break. */
export function isWithinSlo(
  sloClass: PlannedSession["sloClass"],
  timeToFirstTokenMs: number,
  interTokenMs: number | undefined,
): boolean {
  const slo = slos[sloClass];
  return timeToFirstTokenMs <= slo.timeToFirstTokenMs && (interTokenMs ?? 0) <= slo.interTokenMs;
}

/** k6's thresholds for one class, by metric; tags select the class. */
export function thresholdsOf(
  sloClass: PlannedSession["sloClass"],
): Readonly<Record<string, readonly string[]>> {
  const { timeToFirstTokenMs, interTokenMs } = slos[sloClass];
  if (!Number.isFinite(timeToFirstTokenMs)) return {};
  return {
    [`ttft_ms{class:${sloClass}}`]: [`p(95)<=${timeToFirstTokenMs}`],
    [`itl_ms{class:${sloClass}}`]: [`p(95)<=${interTokenMs}`],
  };
}
