import { costOf, termsOf } from "./cost.ts";
import { type RefusalCode, reasonOf } from "./eligible.ts";
import type { Candidate } from "./types.ts";

/** Replica, ahead, own, in flight, left, adapter (see `termsOf`), refusal. */
const numbersEach = 7;

/**
 * What a choice was made from: some numbers for each candidate, made into words when somebody reads
 * them, since most are never read.
 */
export class Snapshot {
  readonly #names: readonly string[];
  readonly #numbers: Float64Array;
  #count = 0;

  /** Room for so many candidates. */
  constructor(names: readonly string[], room: number) {
    this.#names = names;
    this.#numbers = new Float64Array(room * numbersEach);
  }

  /** Numbers as in `termsOf`. */
  keep(
    replica: number,
    ahead: number,
    own: number,
    inFlight: number,
    left: number,
    adapter: number,
  ): void {
    const at = this.#count * numbersEach;
    this.#numbers[at] = replica;
    this.#numbers[at + 1] = ahead;
    this.#numbers[at + 2] = own;
    this.#numbers[at + 3] = inFlight;
    this.#numbers[at + 4] = left;
    this.#numbers[at + 5] = adapter;
    this.#count += 1;
  }

  /** Why the candidate that was kept last is out. */
  refuse(code: RefusalCode): void {
    this.#numbers[this.#count * numbersEach - 1] = code;
  }

  /** Best first, the refused ones last. */
  candidates(): readonly Candidate[] {
    return Array.from({ length: this.#count }, (_, index) => this.#candidate(index)).sort(
      bestFirst,
    );
  }

  #candidate(index: number): Candidate {
    const at = index * numbersEach;
    const [replica = 0, ahead = 0, own = 0, inFlight = 0, left = 0, adapter = 0, code = 0] =
      this.#numbers.subarray(at, at + numbersEach);
    return {
      endpoint: this.#names[replica]!,
      cost: costOf(ahead, own + adapter, inFlight, left),
      terms: termsOf(ahead, own, inFlight, left, adapter),
      excluded: reasonOf(code),
    };
  }
}

function bestFirst(a: Candidate, b: Candidate): number {
  const refusedDifference = Number(a.excluded !== undefined) - Number(b.excluded !== undefined);
  return refusedDifference === 0 ? a.cost - b.cost : refusedDifference;
}
