import type { Claim, Exchanged, LimitStore } from "../pace/index.ts";

/**
 * A store that loses its connection when told to: nothing comes and goes any more, or all comes and
 * no answer goes. Or one that has forgotten one lease of several, once.
 */
export function cuttable(store: LimitStore) {
  let isCut = false;
  let isSilent = false;
  let forgotten: PromiseWithResolvers<void> | undefined;

  /** As if the store had forgotten each lease of concurrency that is claimed beside others. */
  const forget = (claims: readonly Claim[]): readonly Claim[] => {
    const isForgotten = ({ periodMs, isFirst }: Claim) => periodMs === 0 && !isFirst;
    if (forgotten === undefined || claims.length === 1 || !claims.some(isForgotten)) {
      return claims;
    }
    forgotten.resolve();
    forgotten = undefined;
    return claims.map((claim) => (isForgotten(claim) ? { ...claim, holder: "nobody" } : claim));
  };

  return {
    cut: (cuts = true) => {
      isCut = cuts;
    },
    silence: (silences = true) => {
      isSilent = silences;
    },
    /** Resolves when it has come to that. */
    forgetOnce: (): Promise<void> => {
      forgotten = Promise.withResolvers<void>();
      return forgotten.promise;
    },
    store: {
      exchange: async (claims, leaseMs): Promise<Exchanged> => {
        if (isCut) {
          throw new Error("the store is away");
        }
        const exchanged = await store.exchange(forget(claims), leaseMs);
        if (isSilent) {
          throw new Error("the answer is lost");
        }
        return exchanged;
      },
      close: () => store.close(),
    } satisfies LimitStore,
  };
}
