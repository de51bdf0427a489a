import type { CostTerms } from "./types.ts";

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
 *
 * `aheadSeconds`: prefill booked there and not done yet. `ownSeconds`: of this prompt's tokens
 * that are not cached there. `inFlight`: requests there. `leftSeconds`: prefill that the session's
 * cached tokens at its home would cost once more. `adapterSeconds`: of loading an adapter first,
 * for which the engine stands still, too.
 */
export function termsOf(
  aheadSeconds: number,
  ownSeconds: number,
  inFlight: number,
  leftSeconds: number,
  adapterSeconds: number,
): CostTerms {
  return {
    wait: aheadSeconds,
    prefill: ownSeconds,
    adapter: adapterSeconds,
    slowdown: (aheadSeconds + ownSeconds + adapterSeconds) * inFlight,
    switching: leftSeconds * switchingFactor,
  };
}

/** The sum of the same terms, without an object: asked for each replica of each choice. */
export function costOf(
  aheadSeconds: number,
  ownSeconds: number,
  inFlight: number,
  leftSeconds: number,
): number {
  return (aheadSeconds + ownSeconds) * (inFlight + 1) + leftSeconds * switchingFactor;
}
