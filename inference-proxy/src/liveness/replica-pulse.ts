import { createDecayingQuantiles } from "../learn/index.ts";

/** What is known of a replica's signs of life. */
export interface ReplicaPulse {
  /** When any request there last brought an event, on the monotonic clock. */
  lastEventMs: number;
  /** True after silence was found that nothing explained, until the next event. */
  isSilent: boolean;
  /** When somebody first saw that it is ill; undefined while it is well. */
  illSinceMs: number | undefined;
  /** Prompt tokens of the requests that wait for their first event, oldest first. */
  readonly waiting: Set<Overtaken>;
  waitingTokens: number;
  /** Of them, those whose answer comes whole: nothing is seen of their progress. */
  wholes: number;
  learnFirstEvent(waitedMs: number, tokensAhead: number): void;
  learnGap(longestMs: number): void;
  /** The wait that its pace explains with so many tokens to prefill; undefined while unknown. */
  firstEventMs(tokensAhead: number): number | undefined;
  /** The silence between two events that its pace explains; undefined while unknown. */
  readonly gapMs: number | undefined;
}

/** How many requests that came later have been served before this one. */
export interface Overtaken {
  overtakenBy: number;
}

/** Requests whose pace decides: enough for a 99th percentile, and an hour-old load is forgotten. */
const samplesMax = 512;
/** Fewest samples before a limit is set by them. */
const samplesMin = 20;
/** The slow end of what is normal; one outlier in a hundred does not move it. */
const quantile = 0.99;
/** Added to every prompt, so that a short one is not expected in no time. */
const baseTokens = 1024;

/** Knows nothing at first. */
export function createReplicaPulse(): ReplicaPulse {
  const msPerToken = createDecayingQuantiles({ weightMax: samplesMax });
  const gaps = createDecayingQuantiles({ weightMax: samplesMax });
  return {
    lastEventMs: Number.NEGATIVE_INFINITY,
    isSilent: false,
    illSinceMs: undefined,
    waiting: new Set(),
    waitingTokens: 0,
    wholes: 0,
    learnFirstEvent: (waitedMs, tokensAhead) => {
      msPerToken.add(waitedMs / (tokensAhead + baseTokens));
    },
    learnGap: (longestMs) => gaps.add(longestMs),
    firstEventMs: (tokensAhead) => {
      if (msPerToken.weight < samplesMin) {
        return undefined;
      }
      return (msPerToken.quantile(quantile) ?? 0) * (tokensAhead + baseTokens);
    },
    get gapMs() {
      return gaps.weight < samplesMin ? undefined : gaps.quantile(quantile);
    },
  };
}
