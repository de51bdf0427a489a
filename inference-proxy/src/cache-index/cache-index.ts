import { ReplicaSets } from "./replica-sets.ts";
import type { PrefixKey } from "./types.ts";

/**
 * Keys per replica with a count each: an engine may hold the same content in two blocks, and two
 * running requests may share a prefix; a key is gone when its count is zero.
 *
 * Bounded: a replica never has more than `keysMax` keys. Beyond that (an index whose "removed"
 * events were lost) its oldest key is forgotten.
 */
export class CacheIndex {
  readonly #sets: ReplicaSets;
  /** Per replica, in the order of first arrival. */
  readonly #counts: readonly Map<PrefixKey, number>[];
  readonly #keysMax: number[];

  /** One bound for each replica. */
  constructor(keysMax: readonly number[]) {
    this.#keysMax = [...keysMax];
    this.#sets = new ReplicaSets(keysMax.length);
    this.#counts = keysMax.map(() => new Map<PrefixKey, number>());
  }

  /** Distinct keys of one replica. */
  size(replica: number): number {
    return this.#counts[replica]!.size;
  }

  /** Sets the bound of one replica, once its engine has said how much it holds. */
  setKeysMax(replica: number, keysMax: number): void {
    this.#keysMax[replica] = keysMax;
    while (this.#counts[replica]!.size > keysMax) this.#forgetOldest(replica);
  }

  add(replica: number, key: PrefixKey): void {
    const counts = this.#counts[replica]!;
    const count = counts.get(key);
    if (count !== undefined) {
      counts.set(key, count + 1);
      return;
    }
    counts.set(key, 1);
    this.#sets.add(key, replica);
    if (counts.size > this.#keysMax[replica]!) this.#forgetOldest(replica);
  }

  /** Takes one copy away; true when none is left. */
  delete(replica: number, key: PrefixKey): boolean {
    const counts = this.#counts[replica]!;
    const count = counts.get(key);
    if (count !== undefined && count > 1) {
      counts.set(key, count - 1);
      return false;
    }
    if (count !== undefined) this.#forget(replica, key);
    return true;
  }

  clear(replica: number): void {
    const counts = this.#counts[replica]!;
    for (const key of counts.keys()) this.#sets.delete(key, replica);
    counts.clear();
  }

  /** See {@link ReplicaSets.writeDepths}. */
  writeDepths(keyAt: (index: number) => PrefixKey, count: number, depths: Int32Array): void {
    this.#sets.writeDepths(keyAt, count, jumpKeys, depths);
  }

  #forgetOldest(replica: number): void {
    const oldest = this.#counts[replica]!.keys().next().value;
    if (oldest !== undefined) this.#forget(replica, oldest);
  }

  #forget(replica: number, key: PrefixKey): void {
    this.#counts[replica]!.delete(key);
    this.#sets.delete(key, replica);
  }
}

/** Of a jump search: prompts of some hundred blocks are found in some dozen look-ups. */
const jumpKeys = 16;
