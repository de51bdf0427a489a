import { type Random, seededRandom } from "@warmpath/runtime/base";
import { quantileOf } from "../../report/statistics.ts";

/** Quantiles and mean of one quantity. */
export interface Spread {
  readonly count: number;
  readonly p10: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly mean: number;
}

/**
 * Values kept of one quantity: up to so many quantiles are exact, beyond it within half a percent.
 */
const keptMax = 200_000;

/**
 * What is remembered of one quantity: an even sample of its values (Vitter's algorithm R, 1985).
 */
class Reservoir {
  readonly #kept: number[] = [];
  readonly #random: Random;
  #count = 0;
  #sum = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    if (this.#kept.length < keptMax) this.#kept.push(value);
    else {
      const at = Math.floor(this.#random.next() * this.#count);
      if (at < keptMax) this.#kept[at] = value;
    }
  }

  spread(): Spread {
    const sorted = [...Float64Array.from(this.#kept).sort()];
    const at = (quantile: number) => quantileOf(sorted, quantile);
    const mean = this.#sum / this.#count;
    return { count: this.#count, p10: at(0.1), p50: at(0.5), p90: at(0.9), p99: at(0.99), mean };
  }
}

/** Quantities by name, in bounded memory. */
export class Spreads {
  readonly #reservoirs = new Map<string, Reservoir>();

  add(name: string, value: number): void {
    let reservoir = this.#reservoirs.get(name);
    if (reservoir === undefined) {
      reservoir = new Reservoir(seededRandom(name));
      this.#reservoirs.set(name, reservoir);
    }
    reservoir.add(value);
  }

  /** In the order in which the names came. */
  all(): Readonly<Record<string, Spread>> {
    return Object.fromEntries(
      [...this.#reservoirs].map(([name, reservoir]) => [name, reservoir.spread()]),
    );
  }
}
