import { keyOf } from "./history.ts";
import type { HashBytes } from "./types.ts";

/** Keys of pairs of names that come again and again: of models, salts, sessions. */
export interface NameKeys {
  keyOf(one: string, other: string): number;
}

/** All are forgotten at once when there are more: hashing costs less than finding the oldest. */
const namesMax = 4096;

/** Remembers the keys of names: hashing a pair, or joining it, costs more than finding it. */
export function createNameKeys(hash: HashBytes): NameKeys {
  const keys = new Map<string, Map<string, number>>();
  let size = 0;
  return {
    keyOf: (one, other) => {
      const known = keys.get(one)?.get(other);
      if (known !== undefined) return known;
      if (size >= namesMax) {
        keys.clear();
        size = 0;
      }
      const key = keyOf(hash(`${one}\n${other}`, 1n));
      const others = keys.get(one) ?? new Map<string, number>();
      others.set(other, key);
      keys.set(one, others);
      size += 1;
      return key;
    },
  };
}
