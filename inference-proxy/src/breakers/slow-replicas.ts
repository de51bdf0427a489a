import type { Breaker } from "./breaker.ts";
import type { BreakerLimits } from "./types.ts";

/** The closed breakers of the same model at other replicas. */
export function peersOf(
  replicas: readonly ReadonlyMap<string, { readonly replica: string; readonly breaker: Breaker }>[],
  replica: string,
  model: string,
): readonly Breaker[] {
  return replicas
    .map((models) => models.get(model))
    .filter((entry) => entry !== undefined && entry.replica !== replica)
    .map((entry) => entry?.breaker)
    .filter((breaker): breaker is Breaker => breaker?.state === "closed");
}

/**
 * Why a replica is to be taken out for being slow; undefined when it is not. Slow is relative: when
 * all are, the load is the reason, and taking one out would make it worse. So there must be peers
 * with enough requests to compare with.
 */
export function slowReason(options: {
  readonly limits: BreakerLimits;
  readonly nowMs: number;
  readonly own: Breaker;
  readonly peers: readonly Breaker[];
}): string | undefined {
  const { limits, nowMs, own, peers } = options;
  const ownMs = own.state === "closed" ? own.slowestMs(nowMs) : undefined;
  const peersMs = peers
    .map((peer) => peer.slowestMs(nowMs))
    .filter((ms): ms is number => ms !== undefined)
    .sort((a, b) => a - b);
  const medianMs = peersMs[Math.floor(peersMs.length / 2)];
  if (ownMs === undefined || medianMs === undefined) {
    return undefined;
  }
  return ownMs > limits.slowMsMin && ownMs > limits.slowFactor * medianMs
    ? `its p99 of first events, prompts made equal, is ${Math.round(ownMs)} ms, its peers' ${Math.round(medianMs)} ms`
    : undefined;
}
