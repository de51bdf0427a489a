/** How long answers probably get, per key and model, learned from those that ended. */
export interface AnswerEstimates {
  learn(name: string, answerTokens: number): void;
  /** Tokens that most answers stay below; undefined until some were seen. */
  estimate(name: string): number | undefined;
}

interface Lengths {
  mean: number;
  /** Mean distance from the mean. */
  spread: number;
  seen: number;
}

/** About the last ten answers decide. */
const sampleWeight = 0.1;
/** Mean and twice the mean distance: about 19 of 20 answers of one kind of work stay below. */
const spreads = 2;
/** Before that the guess of the configuration is better than a few samples. */
const seenMin = 4;

/** Keeps two means for each of at most `namesMax` names; the one unused longest is forgotten. */
export function createAnswerEstimates({
  namesMax,
}: {
  readonly namesMax: number;
}): AnswerEstimates {
  const known = new Map<string, Lengths>();
  return {
    learn: (name, answerTokens) => {
      const lengths = known.get(name) ?? { mean: answerTokens, spread: answerTokens / 2, seen: 0 };
      // Moves the name to the end of the map's order, so that the first one is the oldest.
      known.delete(name);
      known.set(name, lengths);
      const distance = answerTokens - lengths.mean;
      lengths.mean += sampleWeight * distance;
      lengths.spread += sampleWeight * (Math.abs(distance) - lengths.spread);
      lengths.seen += 1;
      const [oldest] = known.keys();
      if (known.size > namesMax && oldest !== undefined) {
        known.delete(oldest);
      }
    },
    estimate: (name) => {
      const lengths = known.get(name);
      return lengths === undefined || lengths.seen < seenMin
        ? undefined
        : Math.ceil(lengths.mean + spreads * lengths.spread);
    },
  };
}
