import type { PrefixKey } from "./types.ts";

const none = -1;
/** Of a key that is not one recording's alone; recordings are counted from 1. */
const severals = 0;

/**
 * Keys in the order of their last use, with its time and the tokens that each stands for. A list
 * threaded through arrays: a touch costs one look-up, where a `Map` that is kept in order costs a
 * removal and an insertion.
 */
export class RecentKeys {
  readonly #slots = new Map<PrefixKey, number>();
  readonly #keys: PrefixKey[] = [];
  readonly #usedAtMs: number[] = [];
  /** The recording that brought the key, until another one uses it too. */
  readonly #onlyOf: number[] = [];
  readonly #tokens: number[] = [];
  /** Towards the least recent and towards the most recent. */
  readonly #older: number[] = [];
  readonly #newer: number[] = [];
  readonly #free: number[] = [];
  #oldest = none;
  #newest = none;
  #allTokens = 0;

  /** Tokens that all keys stand for together. */
  get tokens(): number {
    return this.#allTokens;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** The key that was not used for longest, and when that was. */
  get oldest(): { readonly key: PrefixKey; readonly usedAtMs: number } | undefined {
    if (this.#oldest === none) return undefined;
    return { key: this.#keys[this.#oldest]!, usedAtMs: this.#usedAtMs[this.#oldest]! };
  }

  /**
   * Makes it the most recent; true when it is new, and stands for so many tokens from then on.
   * `recording`: who does, by a number that nobody else has; 0: nobody who takes it back.
   */
  touch(key: PrefixKey, nowMs: number, tokens = 0, recording = severals): boolean {
    const known = this.#slots.get(key);
    const slot = known ?? this.#free.pop() ?? this.#keys.length;
    this.#usedAtMs[slot] = nowMs;
    if (known === undefined) {
      this.#slots.set(key, slot);
      this.#keys[slot] = key;
      this.#onlyOf[slot] = recording;
      this.#tokens[slot] = tokens;
      this.#allTokens += tokens;
    } else {
      if (this.#onlyOf[slot] !== recording) this.#onlyOf[slot] = severals;
      if (slot === this.#newest) return false;
      this.#unlink(slot);
    }
    this.#older[slot] = this.#newest;
    this.#newer[slot] = none;
    if (this.#newest === none) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
    return known === undefined;
  }

  /** True for a key that this recording brought and no other has used since. */
  isOnlyOf(key: PrefixKey, recording: number): boolean {
    const slot = this.#slots.get(key);
    return slot !== undefined && recording !== severals && this.#onlyOf[slot] === recording;
  }

  delete(key: PrefixKey): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    // Sums of fractions drift: no keys stand for exactly nothing.
    this.#allTokens = this.#slots.size === 0 ? 0 : this.#allTokens - this.#tokens[slot]!;
    this.#unlink(slot);
    this.#free.push(slot);
  }

  keys(): IterableIterator<PrefixKey> {
    return this.#slots.keys();
  }

  #unlink(slot: number): void {
    const older = this.#older[slot]!;
    const newer = this.#newer[slot]!;
    if (older === none) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === none) this.#newest = older;
    else this.#older[newer] = older;
  }
}
