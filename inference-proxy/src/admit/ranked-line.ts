/** What has a place in a ranked line. */
export interface Ranked {
  /** The least goes first; equals in the order of their coming. */
  readonly rank: number;
}

/**
 * How much later than it came a request has its turn, for each token that nobody has cached for it.
 * Who needs little goes first, as the least work first serves most, and nobody starves: one that
 * needs 10,000 tokens lets those pass that come within the next 40 s. Rates at twice the capacity
 * of the caches are 5 % higher than in the order of arrival (policy lab, agent-lite).
 */
const msPerUncachedToken = 4;

/** The rank of a request that came at `arrivedAtMs`. */
export function rankOf(arrivedAtMs: number, uncachedTokens: number): number {
  return arrivedAtMs + uncachedTokens * msPerUncachedToken;
}

/** A line in the order of ranks. Joining and leaving cost a search and a short move. */
export interface RankedLine<T extends Ranked> {
  readonly size: number;
  readonly first: T | undefined;
  readonly last: T | undefined;
  join(item: T): void;
  /** True if it was in the line. */
  leave(item: T): boolean;
  /** In their order. */
  everyone(): readonly T[];
}

/** An empty line. */
export function createRankedLine<T extends Ranked>(): RankedLine<T> {
  const line: T[] = [];

  /** Index of the first of a higher rank, or of the first that is not of a lower one. */
  const boundOf = (rank: number, isAfterEquals: boolean): number => {
    let low = 0;
    let high = line.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const its = line[middle]!.rank;
      if (its < rank || (isAfterEquals && its === rank)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };

  return {
    get size() {
      return line.length;
    },
    get first() {
      return line[0];
    },
    get last() {
      return line.at(-1);
    },
    join: (item) => {
      line.splice(boundOf(item.rank, true), 0, item);
    },
    leave: (item) => {
      const at = line.indexOf(item, boundOf(item.rank, false));
      if (at < 0) {
        return false;
      }
      line.splice(at, 1);
      return true;
    },
    everyone: () => [...line],
  };
}
