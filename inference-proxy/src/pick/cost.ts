import type { CostTerms } from "./types.ts";

/** What is known of one candidate when its cost is asked for. */
export interface CostInput {
  /** Prefill booked there without a first event yet. */
  readonly aheadSeconds: number;
  /** Of this prompt's own tokens that are not cached there. */
  readonly ownSeconds: number;
  /** Requests there. */
  readonly inFlight: number;
  /** Prefill that the session's cached tokens at its home would cost once more. */
  readonly leftSeconds: number;
}

/**
 * A firm session's blocks are needed again at its home: elsewhere they are computed once more, and
 * evict as much of somebody else's. Between 1 and 10 it makes no difference in the lab.
 */
const switchingFactor = 2;

/**
 * The cost of a candidate in seconds of everybody's time: own wait, own prefill, and what the
 * requests that run there lose, each of which stands still for as long as prefill is computed. That
 * sum is (ahead + own) × (in flight + 1), LMetric's product (OSDI'26, arXiv 2603.15202) in the
 * replica's own seconds, so replicas of different speed compare.
 */
export function costOf({ aheadSeconds, ownSeconds, inFlight, leftSeconds }: CostInput): CostTerms {
  return {
    wait: aheadSeconds,
    prefill: ownSeconds,
    slowdown: (aheadSeconds + ownSeconds) * inFlight,
    switching: leftSeconds * switchingFactor,
  };
}

/** The sum that is compared. */
export function secondsOf({ wait, prefill, slowdown, switching }: CostTerms): number {
  return wait + prefill + slowdown + switching;
}
