/** Bits of a draw that choose the jitter, and how many values that makes. */
const tableBits = 12;
const tableSize = 2 ** tableBits;

/** Shortest and longest hiccup: what was seen on real servers, without their cause. */
const hiccupMsMin = 20;
const hiccupMsMax = 60;

const tables = new Map<number, Float64Array>();

interface JitterOptions {
  readonly seed: number;
  /** Standard deviation of the logarithm. */
  readonly sigma: number;
  /** Chance that a step is held up by 20 to 60 ms. */
  readonly hiccupsPerStep: number;
}

/**
 * Chance in step times. One draw for each step, whatever the step does and however the caller
 * slices time, so that a seed replays a run. Lognormal factors come from a table of quantiles: a
 * draw costs a few nanoseconds.
 */
export class Jitter {
  readonly #table: Float64Array;
  readonly #hiccupBelow: number;
  #state: number;

  constructor({ seed, sigma, hiccupsPerStep }: JitterOptions) {
    this.#table = tableOf(sigma);
    this.#hiccupBelow = hiccupsPerStep * 2 ** (32 - tableBits);
    this.#state = mix((seed | 0) ^ Math.imul(Math.floor(seed / 2 ** 32) | 0, 0x85ebca6b));
  }

  /** The time that a step really takes, in ms, where its work takes `workMs`. */
  stepMs(workMs: number): number {
    const draw = this.#draw();
    const ms = workMs * this.#table[draw & (tableSize - 1)]!;
    if (draw >>> tableBits >= this.#hiccupBelow) return ms;
    return ms + hiccupMsMin + ((hiccupMsMax - hiccupMsMin) * this.#draw()) / 2 ** 32;
  }

  /** 32 uniform bits: a Weyl sequence through a mixing function. */
  #draw(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return mix(this.#state);
  }
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Equally likely values of a lognormal variable of mean 1. */
function tableOf(sigma: number): Float64Array {
  let table = tables.get(sigma);
  if (table !== undefined) return table;
  table = new Float64Array(tableSize);
  let sum = 0;
  for (let index = 0; index < tableSize; index++) {
    const factor = Math.exp(sigma * normalQuantile((index + 0.5) / tableSize));
    table[index] = factor;
    sum += factor;
  }
  for (let index = 0; index < tableSize; index++) table[index] = (table[index]! * tableSize) / sum;
  tables.set(sigma, table);
  return table;
}

/** Inverse of the normal distribution function: by bisection. */
function normalQuantile(share: number): number {
  let low = -8;
  let high = 8;
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (normalShare(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Normal distribution function, within 8e-8 (Abramowitz and Stegun 26.2.17). */
function normalShare(value: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(value));
  const series =
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp((-value * value) / 2) / Math.sqrt(2 * Math.PI)) * series;
  return value >= 0 ? 1 - tail : tail;
}
