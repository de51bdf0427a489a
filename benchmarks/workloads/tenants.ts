import type { Random } from "@warmpath/runtime/base";
import { bernoulli, weighted, zipfWeights } from "./samplers.ts";

/** Whose sessions they are. */
export interface Tenants {
  readonly count: number;
  /** Shares of the sessions follow Zipf's law with this exponent. */
  readonly exponent: number;
  /** The first so many send their sessions in runs. */
  readonly noisy: number;
  /** Sessions of a noisy tenant's run, on the average; longer when it is drawn again at once. */
  readonly runSessions: number;
}

/** A name for the tenant of a rank, the largest is 0. */
export function tenantName(rank: number): string {
  return `tenant-${rank}`;
}

/**
 * Draws the rank of the tenant that starts the next session. After a noisy tenant's session the
 * next one is its own again with chance `1 − 1 / runSessions`; else everybody is drawn, noisy
 * tenants by as much less as they stay longer, which keeps all shares exactly Zipf's.
 */
export function tenantsOf({ count, exponent, noisy, runSessions }: Tenants) {
  const staying = (rank: number) => (rank < noisy ? 1 - 1 / runSessions : 0);
  const next = weighted(
    zipfWeights(count, exponent).map((weight, rank) => weight * (1 - staying(rank))),
  );
  let current = count;
  return (random: Random): number => {
    if (!bernoulli(random, staying(current))) current = next(random);
    return current;
  };
}
