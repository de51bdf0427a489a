/*
 * Durations sorted into buckets, each 1.25 times as wide as the one before: a quantile read from
 * them is at most a quarter too high and never too low, which is all that a time limit needs.
 */

/** Buckets that there are: from below a microsecond to more than two hours, in milliseconds. */
export const logBuckets = 104;

const growth = Math.log(1.25);
const firstTop = 0.001;

/** The bucket of a value; what is smaller or larger than all goes into the first or last. */
export function logBucketOf(value: number): number {
  if (!(value > firstTop)) {
    return 0;
  }
  return Math.min(logBuckets - 1, Math.ceil(Math.log(value / firstTop) / growth));
}

/** The largest value of a bucket. */
export function logBucketTop(bucket: number): number {
  return firstTop * Math.exp(bucket * growth);
}

/** The value below which the share `q` lies, read from counts by bucket; undefined for none. */
export function quantileOf(counts: ArrayLike<number>, q: number): number | undefined {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket += 1) {
    total += counts[bucket] ?? 0;
  }
  if (total === 0) {
    return undefined;
  }
  let seen = 0;
  for (let bucket = 0; bucket < counts.length; bucket += 1) {
    seen += counts[bucket] ?? 0;
    if (seen >= total * q) {
      return logBucketTop(bucket);
    }
  }
  return logBucketTop(logBuckets - 1);
}
