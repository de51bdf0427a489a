import { costOf, termsOf } from "./cost.ts";
import type { Candidate, Endpoint, NoEndpoint } from "./types.ts";

/** Ahead, own, in flight, left: see `termsOf`. */
const numbersEach = 4;

/**
 * What one choice was made from: four numbers for each endpoint, made into candidates when somebody
 * reads them, since most are never read.
 */
export class Snapshot {
  readonly #endpoints: readonly Endpoint[];
  readonly #numbers: Float64Array;
  #refusals: Map<number, NoEndpoint> | undefined;

  constructor(endpoints: readonly Endpoint[]) {
    this.#endpoints = endpoints;
    this.#numbers = new Float64Array(endpoints.length * numbersEach);
  }

  keep(replica: number, ahead: number, own: number, inFlight: number, left: number): void {
    const at = replica * numbersEach;
    this.#numbers[at] = ahead;
    this.#numbers[at + 1] = own;
    this.#numbers[at + 2] = inFlight;
    this.#numbers[at + 3] = left;
  }

  refuse(replica: number, refusal: NoEndpoint): void {
    this.#refusals ??= new Map();
    this.#refusals.set(replica, refusal);
  }

  /** Best first, the refused ones last. */
  candidates(): readonly Candidate[] {
    return this.#endpoints
      .map(({ name }, replica): Candidate => {
        const at = replica * numbersEach;
        const [ahead = 0, own = 0, inFlight = 0, left = 0] = this.#numbers.subarray(
          at,
          at + numbersEach,
        );
        return {
          endpoint: name,
          cost: costOf(ahead, own, inFlight, left),
          terms: termsOf(ahead, own, inFlight, left),
          excluded: this.#refusals?.get(replica),
        };
      })
      .sort(bestFirst);
  }
}

function bestFirst(a: Candidate, b: Candidate): number {
  const refusedDifference = Number(a.excluded !== undefined) - Number(b.excluded !== undefined);
  return refusedDifference === 0 ? a.cost - b.cost : refusedDifference;
}
