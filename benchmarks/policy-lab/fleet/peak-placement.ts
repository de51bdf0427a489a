import { infiniteCache } from "../result.ts";
import type { Policy, PolicyContext, PolicyRun, ReplicaView, RoutedRequest } from "../types.ts";
import { createInfiniteCache } from "./bound.ts";

/**
 * Where requests go on replicas whose KV never fills: where everybody is delayed least. A prefill
 * stops whoever is on the replica for its whole length. What is where follows from what was sent
 * where, since nothing is ever evicted.
 */
export const peakPlacement: Policy = {
  name: infiniteCache,
  source: "this lab",
  about: "No policy: replicas whose KV never fills, placed by true work and cache. The peak rate.",
  isOracle: true,
  start: (context) => new PeakRun(context),
};

class PeakRun implements PolicyRun {
  readonly #blockTokens: number;
  readonly #replicas;

  constructor({ replicas, blockTokens, truth }: PolicyContext) {
    this.#blockTokens = blockTokens;
    this.#replicas = Array.from({ length: replicas }, (_, replica) => ({
      truth: truth(replica),
      cache: createInfiniteCache(blockTokens),
    }));
  }

  place(request: RoutedRequest, replicas: readonly ReplicaView[]): number | "hold" {
    const { chain, promptTokens, outputTokens = 0 } = request;
    let best: number | undefined;
    let leastSeconds = Number.POSITIVE_INFINITY;
    for (const { index, healthy } of replicas) {
      const seconds = healthy ? this.#delay(request, index) : Number.POSITIVE_INFINITY;
      if (seconds >= leastSeconds) continue;
      best = index;
      leastSeconds = seconds;
    }
    if (best === undefined) return "hold";
    this.#replicas[best]?.cache.send(chain, promptTokens, outputTokens);
    return best;
  }

  onReplicaLost(replica: number): void {
    const its = this.#replicas[replica];
    if (its !== undefined) its.cache = createInfiniteCache(this.#blockTokens);
  }

  /** Seconds that the request waits at a replica, and that it makes those wait who are there. */
  #delay({ chain, promptTokens }: RoutedRequest, replica: number): number {
    const its = this.#replicas[replica];
    if (its === undefined) return Number.POSITIVE_INFINITY;
    const { truth, cache } = its;
    const uncachedTokens = promptTokens - cache.cachedTokens(chain, promptTokens);
    const prefillSeconds = truth.prefillSeconds?.(uncachedTokens, promptTokens) ?? 0;
    return truth.outstandingSeconds() + prefillSeconds * (1 + (truth.requests?.() ?? 0));
  }
}
