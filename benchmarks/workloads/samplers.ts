/** Draws from the distributions that workloads are described by; seeded, no state of their own. */
import type { Random } from "@warmpath/runtime/base";

/** A standard normal deviate (Box and Muller, 1958). */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}

/** A lognormal, by the parameters that traces report. */
export interface LogNormal {
  readonly median: number;
  /** Standard deviation of the logarithm. */
  readonly sigma: number;
  /** Larger draws are this. */
  readonly max?: number;
}

export function logNormal(random: Random, { median, sigma, max }: LogNormal): number {
  const drawn = median * Math.exp(sigma * normal(random));
  return max === undefined ? drawn : Math.min(max, drawn);
}

/** A lognormal number of tokens or turns: rounded, at least one. */
export function wholeLogNormal(random: Random, shape: LogNormal): number {
  return Math.max(1, Math.round(logNormal(random, shape)));
}

/** An exponential deviate with this mean. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random.next());
}

/** A gamma deviate of scale 1 (Marsaglia and Tsang, 2000; below 1 by their boost). */
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

/** A time between arrivals with this mean and coefficient of variation; 1 is a Poisson process. */
export function gammaGap(random: Random, mean: number, variation: number): number {
  const shape = 1 / (variation * variation);
  return (mean * gamma(random, shape)) / shape;
}

/** Draws ranks 0..count-1, rank k with weight 1 / (k + 1) ** exponent. */
export function zipf(count: number, exponent: number): (random: Random) => number {
  const cumulative: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) {
    sum += rank ** -exponent;
    cumulative.push(sum);
  }
  return (random) => {
    const wanted = random.next() * sum;
    let low = 0;
    let high = count - 1;
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
