/**
 * Positive values counted in buckets that each are 4 % wide: quantiles to within 2 %, merged by
 * addition, and as JSON only the buckets that were hit.
 */
export interface Histogram {
  readonly count: number;
  readonly sum: number;
  /** The largest value; 0 when empty. */
  readonly max: number;
  /** Ascending pairs of bucket and count: bucket `i` ends at `0.01 · 1.04^i`, 0 holds all below. */
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
}

const lowest = 0.01;
const growth = 1.04;
const inverseLogGrowth = 1 / Math.log(growth);
/** Bucket 707 ends at 0.01 · 1.04^707 ≈ 1.1e10: four months, in ms. */
const bucketsMax = 708;

/** A histogram being filled. */
export interface HistogramBuilder {
  /** Counts `value` (negative ones as 0) `times` times. */
  add(value: number, times?: number): void;
  build(): Histogram;
}

/** An empty histogram; adding costs one logarithm. */
export function createHistogram(): HistogramBuilder {
  let counts: Float64Array | undefined;
  let count = 0;
  let sum = 0;
  let max = 0;
  return {
    add: (value, times = 1) => {
      counts ??= new Float64Array(bucketsMax);
      const bucket = bucketOf(value);
      counts[bucket] = (counts[bucket] ?? 0) + times;
      count += times;
      sum += value * times;
      if (value > max) max = value;
    },
    build: () => ({ count, sum, max, buckets: pairsOf(counts ?? new Float64Array(0)) }),
  };
}

/** All values of all histograms in one. */
export function mergeHistograms(parts: readonly Histogram[]): Histogram {
  const counts = new Float64Array(bucketsMax);
  for (const { buckets } of parts) {
    for (const [bucket, times] of buckets) counts[bucket] = (counts[bucket] ?? 0) + times;
  }
  return {
    count: parts.reduce((total, part) => total + part.count, 0),
    sum: parts.reduce((total, part) => total + part.sum, 0),
    max: parts.reduce((largest, part) => Math.max(largest, part.max), 0),
    buckets: pairsOf(counts),
  };
}

/** The mean; NaN without values. */
export function meanOf({ count, sum }: Histogram): number {
  return count === 0 ? Number.NaN : sum / count;
}

/** The value below which the share `quantile` lies, to within 2 %; NaN without values. */
export function quantileOfHistogram(histogram: Histogram, quantile: number): number {
  const rank = quantile * histogram.count;
  let below = 0;
  for (const [bucket, times] of histogram.buckets) {
    below += times;
    if (below >= rank) return Math.min(histogram.max, middleOf(bucket));
  }
  return Number.NaN;
}

/** The cumulative distribution: for each bucket hit, its upper end and the share up to there. */
export function cdfOf(histogram: Histogram): readonly (readonly [value: number, share: number])[] {
  let below = 0;
  return histogram.buckets.map(([bucket, times]) => {
    below += times;
    return [Math.min(histogram.max, endOf(bucket)), below / histogram.count];
  });
}

function bucketOf(value: number): number {
  if (!(value > lowest)) return 0;
  return Math.min(bucketsMax - 1, Math.ceil(Math.log(value / lowest) * inverseLogGrowth));
}

function endOf(bucket: number): number {
  return lowest * growth ** bucket;
}

function middleOf(bucket: number): number {
  return bucket === 0 ? 0 : lowest * growth ** (bucket - 0.5);
}

function pairsOf(counts: Float64Array): [number, number][] {
  const pairs: [number, number][] = [];
  for (const [bucket, times] of counts.entries()) {
    if (times > 0) pairs.push([bucket, times]);
  }
  return pairs;
}
