import { createEwma, type Ewma } from "./ewma.ts";
import type { LearnedPace, PaceSample } from "./types.ts";

/** How fast each replica has been lately. */
export interface ReplicaPaces {
  learn(replica: string, sample: PaceSample): void;
  paceOf(replica: string): LearnedPace;
}

/**
 * About the last ten requests decide: enough to smooth one long prompt, few enough to notice a
 * slow-down.
 */
const sampleWeight = 0.2;

/**
 * Keeps two means per replica; replicas come from configuration, so their number is bounded there.
 */
export function createReplicaPaces(): ReplicaPaces {
  const paces = new Map<string, { firstEvent: Ewma; interToken: Ewma }>();
  return {
    learn: (replica, sample) => {
      const pace = paces.get(replica) ?? {
        firstEvent: createEwma(sampleWeight),
        interToken: createEwma(sampleWeight),
      };
      paces.set(replica, pace);
      pace.firstEvent.add(sample.firstEventMs);
      if (sample.interTokenMs !== undefined) {
        pace.interToken.add(sample.interTokenMs);
      }
    },
    paceOf: (replica) => {
      const pace = paces.get(replica);
      return { firstEventMs: pace?.firstEvent.mean, interTokenMs: pace?.interToken.mean };
    },
  };
}
