import type { Segment } from "./types.ts";

/**
 * Hands out identities of runs of tokens. Shared ones are named by what shares them, so that they
 * are equal in every session; fresh ones are new each time.
 */
export class Contents {
  #nextFresh = 2 ** 32;

  /** A run that nobody else has. */
  fresh(tokens: number): Segment {
    this.#nextFresh += 1;
    return { content: this.#nextFresh, tokens };
  }

  /** A run that all who name the same family and index have. `family` is a small number. */
  static shared(family: number, index: number, tokens: number): Segment {
    return { content: family * 2 ** 20 + index, tokens };
  }
}

/** Tokens of a list of runs. */
export function tokensOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { tokens }) => sum + tokens, 0);
}
