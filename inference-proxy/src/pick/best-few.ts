import { codeOf, type RefusalCode } from "./eligible.ts";
import type { Quotes } from "./quotes.ts";
import { Snapshot } from "./snapshot.ts";

/** So many candidates of a choice are kept: the chosen one, the second best, some to compare. */
const few = 8;
/** So many of those that were out are kept beside them. */
const refusedMax = 8;
const leastFar = codeOf("unknown-model");

/**
 * The best of the candidates that are offered, best first: the cheapest; of equals the one with the
 * fewest requests; of those the one that was offered first. And some of those that were out.
 */
export class BestFew {
  readonly #replicas = new Int32Array(few);
  readonly #seconds = new Float64Array(few);
  readonly #requests = new Int32Array(few);
  #count = 0;
  readonly #refused = new Int32Array(refusedMax);
  readonly #refusals = new Uint8Array(refusedMax);
  #refusedCount = 0;
  #furthest = leastFar;
  /** Whatever costs more is not wanted; beyond all bounds while there is room. */
  #secondsMax = Number.POSITIVE_INFINITY;

  get secondsMax(): number {
    return this.#secondsMax;
  }

  /** The furthest that any refused candidate got. */
  get furthest(): RefusalCode {
    return this.#furthest;
  }

  /** The replica in the given place, 0 for the best; -1 where there is none. */
  at(place: number): number {
    return place < this.#count ? this.#replicas[place]! : -1;
  }

  clear(): void {
    this.#count = 0;
    this.#refusedCount = 0;
    this.#furthest = leastFar;
    this.#secondsMax = Number.POSITIVE_INFINITY;
  }

  /** False: there is no need to ask whether such a candidate is eligible. */
  wants(seconds: number, requests: number): boolean {
    return (
      seconds <= this.#secondsMax &&
      (this.#count < few || this.#isBefore(seconds, requests, few - 1))
    );
  }

  /** Adds one that is wanted. */
  add(replica: number, seconds: number, requests: number): void {
    let place = Math.min(this.#count, few - 1);
    while (place > 0 && this.#isBefore(seconds, requests, place - 1)) {
      this.#replicas[place] = this.#replicas[place - 1]!;
      this.#seconds[place] = this.#seconds[place - 1]!;
      this.#requests[place] = this.#requests[place - 1]!;
      place -= 1;
    }
    this.#replicas[place] = replica;
    this.#seconds[place] = seconds;
    this.#requests[place] = requests;
    this.#count = Math.min(few, this.#count + 1);
    if (this.#count === few) {
      this.#secondsMax = this.#seconds[few - 1]!;
    }
  }

  /** Notes one that was wanted and is out. */
  refuse(replica: number, code: RefusalCode): void {
    this.#furthest = Math.max(this.#furthest, code);
    if (this.#refusedCount < refusedMax) {
      this.#refused[this.#refusedCount] = replica;
      this.#refusals[this.#refusedCount] = code;
      this.#refusedCount += 1;
    }
  }

  /** All that is kept, with what it costs. */
  snapshot(quotes: Quotes, names: readonly string[]): Snapshot {
    const kept = new Snapshot(names, this.#count + this.#refusedCount);
    for (let place = 0; place < this.#count; place += 1) {
      quotes.keep(this.#replicas[place]!, kept);
    }
    for (let index = 0; index < this.#refusedCount; index += 1) {
      quotes.keep(this.#refused[index]!, kept);
      kept.refuse(this.#refusals[index]!);
    }
    return kept;
  }

  #isBefore(seconds: number, requests: number, place: number): boolean {
    const other = this.#seconds[place]!;
    return seconds < other || (seconds === other && requests < this.#requests[place]!);
  }
}
