import type { Random } from "@warmpath/runtime/base";
import { gammaGap } from "./samplers.ts";

/** When sessions start. */
export interface Arrivals {
  readonly sessionsPerSecond: number;
  /** Coefficient of variation of the gaps: 1 is Poisson; production traces lie at 1.2 to 2. */
  readonly variation: number;
  /** So many times the rate for so long, again and again. */
  readonly burst?: { readonly factor: number; readonly everyMs: number; readonly forMs: number };
}

/** Start times in ms, from 0 on, without end. */
export function* startTimes(random: Random, arrivals: Arrivals): Generator<number> {
  const meanMs = 1000 / arrivals.sessionsPerSecond;
  for (let atMs = 0; ; ) {
    yield atMs;
    atMs += gammaGap(random, meanMs / factorAt(atMs, arrivals.burst), arrivals.variation);
  }
}

/** A burst is the end of each period, so that a run begins at the ordinary rate. */
function factorAt(atMs: number, burst: Arrivals["burst"]): number {
  if (burst === undefined) return 1;
  return atMs % burst.everyMs >= burst.everyMs - burst.forMs ? burst.factor : 1;
}
