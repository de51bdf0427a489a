import type { Chain, Recalled } from "./types.ts";

/** Which replica answered which conversation last: our own history, not the engine's word. */
export interface PrefixMemory {
  /** Notes that the replica has just served this whole prompt. */
  remember(chain: Chain, replica: string): void;
  /** The longest earlier prompt that this one continues. */
  recall(chain: Chain): Recalled | undefined;
}

/**
 * One entry per prompt served, for the `entriesMax` latest: a turn finds the turn before it by its
 * last hash.
 */
export function createPrefixMemory({ entriesMax }: { readonly entriesMax: number }): PrefixMemory {
  const replicas = new Map<bigint, string>();
  return {
    remember: (chain, replica) => {
      const last = chain.at(-1);
      if (last === undefined) {
        return;
      }
      // Deleting first moves the entry to the end of the map's order: the first one is the oldest.
      replicas.delete(last);
      replicas.set(last, replica);
      const [oldest] = replicas.keys();
      if (replicas.size > entriesMax && oldest !== undefined) {
        replicas.delete(oldest);
      }
    },
    recall: (chain) => {
      for (let index = chain.length - 1; index >= 0; index -= 1) {
        const hash = chain[index];
        const replica = hash === undefined ? undefined : replicas.get(hash);
        if (replica !== undefined) {
          return { replica, messages: index + 1 };
        }
      }
      return undefined;
    },
  };
}
