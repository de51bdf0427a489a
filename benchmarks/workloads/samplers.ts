/**
 * Draws from the distributions that workloads are described by. Seeded by the `Random` they are
 * handed, without a state of their own.
 */
import type { Random } from "@warmpath/runtime/base";

/** A standard normal deviate (Box and Muller, 1958). */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}

/** A lognormal, by what traces report of it. */
export interface LogNormal {
  readonly median: number;
  /** Standard deviation of the logarithm: the mean is `median · exp(sigma² / 2)`. */
  readonly sigma: number;
  /** Larger draws are this. */
  readonly max?: number;
}

/** A lognormal deviate: the exponential of a normal one. */
export function logNormal(random: Random, { median, sigma, max }: LogNormal): number {
  const drawn = median * Math.exp(sigma * normal(random));
  return max === undefined ? drawn : Math.min(max, drawn);
}

/**
 * A distribution of positive numbers known by some of its quantiles, from share 0 to share 1 in
 * rising order; between two of them the logarithm is uniform. For what no formula fits.
 */
export interface Quantiles {
  readonly points: readonly (readonly [share: number, value: number])[];
}

/** A deviate by inversion: a uniform share, looked up among the quantiles. */
export function fromQuantiles(random: Random, { points }: Quantiles): number {
  const share = random.next();
  const above = Math.max(
    1,
    points.findIndex(([at]) => at > share),
  );
  const [lowShare, low] = points[above - 1] ?? [0, Number.NaN];
  const [highShare, high] = points[above] ?? [1, Number.NaN];
  return low * (high / low) ** ((share - lowShare) / (highShare - lowShare));
}

/** How a number of tokens, turns or ms is distributed. */
export type Distribution = LogNormal | Quantiles;

export function draw(random: Random, distribution: Distribution): number {
  return "points" in distribution
    ? fromQuantiles(random, distribution)
    : logNormal(random, distribution);
}

/** A number of tokens or turns: rounded, at least one. */
export function drawWhole(random: Random, distribution: Distribution): number {
  return Math.max(1, Math.round(draw(random, distribution)));
}

/** The same lognormal `factor` times as large, its cap included. */
export function scaled({ median, sigma, max }: LogNormal, factor: number): LogNormal {
  return {
    median: median * factor,
    sigma,
    ...(max === undefined ? {} : { max: Math.max(1, Math.round(max * factor)) }),
  };
}

/** The same quantiles `factor` times as large. */
export function scaledQuantiles({ points }: Quantiles, factor: number): Quantiles {
  return { points: points.map(([share, value]) => [share, value * factor]) };
}

/** An exponential deviate with this mean (by inversion). */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random.next());
}

/**
 * How many events a Poisson process has in a span that has `mean` of them on the average: counts
 * exponential gaps, so it costs `mean` draws.
 */
export function poisson(random: Random, mean: number): number {
  let count = -1;
  for (let at = 0; at < mean; count += 1) at += exponential(random, 1);
  return Math.max(0, count);
}

/** True with this chance. */
export function bernoulli(random: Random, chance: number): boolean {
  return random.next() < chance;
}

/** A gamma deviate of scale 1 (Marsaglia and Tsang, 2000; a `shape` below 1 by their boost). */
export function gamma(random: Random, shape: number): number {
  if (shape < 1) return gamma(random, shape + 1) * (1 - random.next()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - random.next();
    if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

/**
 * A gap between arrivals with this mean and coefficient of variation: 1 is a Poisson process, above
 * 1 arrivals come in bunches (ServeGen, NSDI'26, finds gamma gaps in production).
 */
export function gammaGap(random: Random, mean: number, variation: number): number {
  const shape = 1 / (variation * variation);
  return (mean * gamma(random, shape)) / shape;
}

/** Weights of Zipf's law: rank `k`, from 0 on, has `1 / (k + 1) ** exponent`. */
export function zipfWeights(count: number, exponent: number): readonly number[] {
  return Array.from({ length: count }, (_, rank) => (rank + 1) ** -exponent);
}

/** Draws ranks 0 to `count - 1` by Zipf's law. */
export function zipf(count: number, exponent: number): (random: Random) => number {
  return weighted(zipfWeights(count, exponent));
}

/** Draws an index with the chance that its weight has in the sum of all. */
export function weighted(weights: readonly number[]): (random: Random) => number {
  let sum = 0;
  const cumulative = weights.map((weight) => {
    sum += weight;
    return sum;
  });
  return (random) => {
    const wanted = random.next() * sum;
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** A whole number from `least` to `most`, each as likely. */
export function wholeBetween(random: Random, least: number, most: number): number {
  return least + Math.floor(random.next() * (most - least + 1));
}

/** The items in an order by chance, each order as likely: sorted by a key drawn for each. */
export function shuffled<T>(random: Random, items: readonly T[]): readonly T[] {
  const order = items.map((item) => ({ item, key: random.next() }));
  return order.sort((left, right) => left.key - right.key).map(({ item }) => item);
}
