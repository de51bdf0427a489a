import type { Policy } from "../types.ts";
import { cheapest } from "./shared/choose.ts";

/** Where the lab cannot tell: 8B on one H100, per uncached token. */
const secondsPerTokenAssumed = 21e-6;

/**
 * Perfect knowledge of caches and outstanding work, used greedily: the request goes where it would
 * complete first. A bound on what placing one request at a time can do with better information; it
 * neither holds requests nor plans ahead, so a policy that admits sessions can pass it where the
 * cache thrashes.
 */
export const oracle: Policy = {
  name: "oracle",
  source: "this lab: PolicyContext.truth, greedy",
  about: "True outstanding seconds + seconds to prefill what is truly not cached; a bound.",
  isOracle: true,
  start: ({ replicas: count, truth, random }) => {
    const truths = Array.from({ length: count }, (_, replica) => truth(replica));
    return {
      place({ chain, promptTokens }, replicas) {
        return cheapest(replicas, random, (replica) => {
          const its = truths[replica]!;
          const uncached = promptTokens - its.cachedTokens(chain, promptTokens);
          const prefillSeconds =
            its.prefillSeconds?.(uncached, promptTokens) ?? uncached * secondsPerTokenAssumed;
          return its.outstandingSeconds() + prefillSeconds;
        });
      },
    };
  },
};
