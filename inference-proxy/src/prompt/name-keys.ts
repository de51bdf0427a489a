import { keyOf } from "./history.ts";
import type { HashBytes } from "./types.ts";

/** Keys of names that come again and again: models, salts, sessions. */
export interface NameKeys {
  keyOf(name: string): number;
}

/** All are forgotten at once when there are more: hashing costs less than finding the oldest. */
const namesMax = 4096;

/** Remembers the keys of names: hashing one costs more than finding it. */
export function createNameKeys(hash: HashBytes): NameKeys {
  const keys = new Map<string, number>();
  return {
    keyOf: (name) => {
      const known = keys.get(name);
      if (known !== undefined) return known;
      if (keys.size >= namesMax) keys.clear();
      const key = keyOf(hash(name, 1n));
      keys.set(name, key);
      return key;
    },
  };
}
