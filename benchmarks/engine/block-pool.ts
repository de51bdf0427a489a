import { assert } from "@warmpath/runtime/base";
import type { BlockKey, CacheEvent } from "./types.ts";

/** Index into the pool's arrays; the sentinel of the free queue is the one after the last block. */
type Block = number;

const none = -1;

/**
 * KV cache blocks with reference counts, a queue of free ones in the order of their last use, and
 * an index of what they hold. A free block keeps its content until it is taken for something else.
 * Equal content may lie in several blocks: each copy counts, and a lookup finds the oldest.
 *
 * All state lies in typed arrays; the index is chained hashing in which a block is its own node, so
 * copies of one key are simply neighbours in a bucket.
 */
export class BlockPool {
  readonly size: number;
  #freeCount: number;
  #copiesEvicted = 0;
  readonly #references: Int32Array;
  readonly #keys: Float64Array;
  readonly #isCached: Uint8Array;
  readonly #previousFree: Int32Array;
  readonly #nextFree: Int32Array;
  readonly #bucketHeads: Int32Array;
  readonly #nextInBucket: Int32Array;
  readonly #bucketMask: number;
  /** Told of every eviction; undefined when nobody listens. */
  readonly #events: CacheEvent[] | undefined;

  constructor(size: number, events: CacheEvent[] | undefined) {
    this.size = size;
    this.#events = events;
    this.#freeCount = size;
    this.#references = new Int32Array(size);
    this.#keys = new Float64Array(size);
    this.#isCached = new Uint8Array(size);
    this.#previousFree = new Int32Array(size + 1);
    this.#nextFree = new Int32Array(size + 1);
    for (let block = 0; block <= size; block++) {
      this.#previousFree[block] = block === 0 ? size : block - 1;
      this.#nextFree[block] = block === size ? 0 : block + 1;
    }
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(2, size * 2)));
    this.#bucketMask = buckets - 1;
    this.#bucketHeads = new Int32Array(buckets).fill(none);
    this.#nextInBucket = new Int32Array(size).fill(none);
  }

  /** Blocks that nobody refers to, cached content or not. */
  get free(): number {
    return this.#freeCount;
  }

  /** How often a block was evicted whose key another block holds too. */
  get copiesEvicted(): number {
    return this.#copiesEvicted;
  }

  /** The oldest block that holds `key`, or -1. */
  find(key: BlockKey): Block {
    let block = this.#bucketHeads[bucketOf(key) & this.#bucketMask]!;
    while (block !== none && this.#keys[block] !== key) block = this.#nextInBucket[block]!;
    return block;
  }

  isFree(block: Block): boolean {
    return this.#references[block] === 0;
  }

  /** Refers to a block that holds something wanted. */
  hold(block: Block): void {
    if (this.#references[block] === 0) this.#unlinkFree(block);
    this.#references[block] = this.#references[block]! + 1;
  }

  /** Takes the free block that was used longest ago and drops what it held. Needs `free` > 0. */
  take(): Block {
    const block = this.#nextFree[this.size]!;
    this.#unlinkFree(block);
    this.#references[block] = 1;
    if (this.#isCached[block] === 1) {
      const key = this.#keys[block]!;
      this.#unindex(block);
      if (this.find(key) !== none) this.#copiesEvicted += 1;
      this.#events?.push({ type: "removed", key });
    }
    return block;
  }

  /** Marks a held block as holding `key` from now on. */
  store(block: Block, key: BlockKey): void {
    this.#keys[block] = key;
    this.#isCached[block] = 1;
    this.#nextInBucket[block] = none;
    const bucket = bucketOf(key) & this.#bucketMask;
    let last = this.#bucketHeads[bucket]!;
    if (last === none) {
      this.#bucketHeads[bucket] = block;
      return;
    }
    // At the end, so that the oldest of equal copies is found first.
    for (let next = this.#nextInBucket[last]!; next !== none; next = this.#nextInBucket[last]!) {
      last = next;
    }
    this.#nextInBucket[last] = block;
  }

  /**
   * Drops one reference; the last one sends the block to the end of the free queue, or to its front
   * when it holds nothing that could be wanted again (measured on vLLM 0.32).
   */
  release(block: Block): void {
    const references = this.#references[block]! - 1;
    assert(references >= 0, "a block that nobody refers to is released");
    this.#references[block] = references;
    if (references > 0) return;
    const isWanted = this.#isCached[block] === 1;
    const previous = isWanted ? this.#previousFree[this.size]! : this.size;
    const next = isWanted ? this.size : this.#nextFree[this.size]!;
    this.#nextFree[previous] = block;
    this.#previousFree[block] = previous;
    this.#nextFree[block] = next;
    this.#previousFree[next] = block;
    this.#freeCount += 1;
  }

  /** Forgets the content of all blocks; the free queue keeps its order. */
  forgetAll(): void {
    this.#isCached.fill(0);
    this.#bucketHeads.fill(none);
    this.#events?.push({ type: "cleared" });
  }

  #unlinkFree(block: Block): void {
    const previous = this.#previousFree[block]!;
    const next = this.#nextFree[block]!;
    this.#nextFree[previous] = next;
    this.#previousFree[next] = previous;
    this.#freeCount -= 1;
  }

  #unindex(block: Block): void {
    this.#isCached[block] = 0;
    const bucket = bucketOf(this.#keys[block]!) & this.#bucketMask;
    const next = this.#nextInBucket[block]!;
    let at = this.#bucketHeads[bucket]!;
    if (at === block) {
      this.#bucketHeads[bucket] = next;
      return;
    }
    while (this.#nextInBucket[at] !== block) at = this.#nextInBucket[at]!;
    this.#nextInBucket[at] = next;
  }
}

/** Spreads a safe integer over 32 bits. */
function bucketOf(key: BlockKey): number {
  const high = Math.floor(key / 2 ** 32) | 0;
  let mixed = Math.imul((key | 0) ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1);
  mixed ^= mixed >>> 15;
  return Math.imul(mixed, 0x85ebca6b) ^ (mixed >>> 13);
}
