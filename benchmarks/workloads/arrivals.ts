import type { Random } from "@warmpath/runtime/base";
import { gammaGap } from "./samplers.ts";

/** When sessions start. */
export interface Arrivals {
  readonly sessionsPerSecond: number;
  /** Coefficient of variation of the gaps: 1 is Poisson; production traces lie at 1.2 to 2. */
  readonly variation: number;
  readonly burst?: Burst;
}

/** So many times the rate at the end of each period, so that a run begins at the ordinary rate. */
export interface Burst {
  readonly factor: number;
  readonly everyMs: number;
  readonly forMs: number;
}

/** Start times in ms, from 0 on, without end. */
export function* startTimes(random: Random, arrivals: Arrivals): Generator<number> {
  const { sessionsPerSecond, variation, burst } = arrivals;
  const meanMs = 1000 / sessionsPerSecond;
  for (let atMs = 0; ; ) {
    yield atMs;
    const gapMs = gammaGap(random, meanMs, variation);
    atMs = burst === undefined ? atMs + gapMs : passed(atMs, gapMs, burst);
  }
}

/**
 * When a gap that begins at `atMs` is over, if time passes `factor` times as fast for arrivals
 * during bursts: exact also for a gap that reaches into one.
 */
function passed(atMs: number, gapMs: number, { factor, everyMs, forMs }: Burst): number {
  const calmMs = everyMs - forMs;
  let leftMs = gapMs;
  let nowMs = atMs;
  for (;;) {
    const inPeriodMs = nowMs % everyMs;
    const isBurst = inPeriodMs >= calmMs;
    const speed = isBurst ? factor : 1;
    const restMs = (isBurst ? everyMs : calmMs) - inPeriodMs;
    if (leftMs < restMs * speed) return nowMs + leftMs / speed;
    leftMs -= restMs * speed;
    nowMs += restMs;
  }
}
