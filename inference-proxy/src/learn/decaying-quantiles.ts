import { logBucketOf, logBuckets, quantileOf } from "./log-buckets.ts";

/** Quantiles of a stream of positive values that forget what is long ago. */
export interface DecayingQuantiles {
  add(value: number): void;
  /** A value that the share `q` of the latest values do not exceed; undefined before the first. */
  quantile(q: number): number | undefined;
  /** Values remembered, old ones counting less. */
  readonly weight: number;
}

/**
 * Keeps counts by size, halved whenever they reach `weightMax`: about the last `weightMax` values
 * decide. 416 bytes, and one logarithm per value.
 */
export function createDecayingQuantiles(options: {
  readonly weightMax: number;
}): DecayingQuantiles {
  const counts = new Float32Array(logBuckets);
  let weight = 0;
  return {
    add: (value) => {
      const bucket = logBucketOf(value);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      weight += 1;
      if (weight >= options.weightMax) {
        for (let index = 0; index < counts.length; index += 1) {
          counts[index] = (counts[index] ?? 0) / 2;
        }
        weight /= 2;
      }
    },
    quantile: (q) => quantileOf(counts, q),
    get weight() {
      return weight;
    },
  };
}
