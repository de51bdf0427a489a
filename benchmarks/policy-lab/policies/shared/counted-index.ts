import type { BlockKey, CacheEvent } from "../../../engine/types.ts";
import { ReplicaSets } from "./replica-sets.ts";

/**
 * Keys per replica with a count each: an engine may hold the same content in two blocks, and two
 * running requests may share a prefix; a key is gone when its count is zero.
 *
 * Bounded: a replica never has more than `keysMax` keys. Beyond that (an index whose "removed"
 * events were lost) its oldest key is forgotten.
 */
export class CountedIndex {
  readonly #sets: ReplicaSets;
  /** Per replica, in the order of first arrival. */
  readonly #counts: readonly Map<BlockKey, number>[];
  readonly #keysMax: readonly number[];

  constructor(keysMax: readonly number[]) {
    this.#keysMax = keysMax;
    this.#sets = new ReplicaSets(keysMax.length);
    this.#counts = keysMax.map(() => new Map<BlockKey, number>());
  }

  /** Distinct keys of one replica. */
  size(replica: number): number {
    return this.#counts[replica]!.size;
  }

  add(replica: number, key: BlockKey): void {
    const counts = this.#counts[replica]!;
    const count = counts.get(key);
    if (count !== undefined) {
      counts.set(key, count + 1);
      return;
    }
    counts.set(key, 1);
    this.#sets.add(key, replica);
    if (counts.size <= this.#keysMax[replica]!) return;
    const oldest = counts.keys().next().value;
    if (oldest !== undefined) this.#forget(replica, oldest);
  }

  delete(replica: number, key: BlockKey): void {
    const counts = this.#counts[replica]!;
    const count = counts.get(key);
    if (count === undefined) return;
    if (count > 1) counts.set(key, count - 1);
    else this.#forget(replica, key);
  }

  clear(replica: number): void {
    const counts = this.#counts[replica]!;
    for (const key of counts.keys()) this.#sets.delete(key, replica);
    counts.clear();
  }

  /** Applies one engine step's KV events. */
  apply(replica: number, events: readonly CacheEvent[]): void {
    for (const event of events) {
      if (event.type === "removed") this.delete(replica, event.key);
      else if (event.type === "cleared") this.clear(replica);
      else for (const key of event.keys) this.add(replica, key);
    }
  }

  /** See {@link ReplicaSets.writeDepths}. */
  writeDepths(keyAt: (index: number) => BlockKey, count: number, depths: Int32Array): void {
    this.#sets.writeDepths(keyAt, count, jumpKeys, depths);
  }

  #forget(replica: number, key: BlockKey): void {
    this.#counts[replica]!.delete(key);
    this.#sets.delete(key, replica);
  }
}

/** Of a jump search: prompts of some hundred blocks are found in some dozen look-ups. */
const jumpKeys = 16;
