import { keyOf, rootOf } from "./block-root.ts";
import type { BlockHash, BlocksStored, KvBatch } from "./types.ts";

/** What changed in one engine's cache, in our keys. */
export interface BlockNews {
  stored(keys: readonly number[]): void;
  removed(keys: readonly number[]): void;
  cleared(): void;
}

/**
 * One engine's prefix cache (one data-parallel rank's) as its events tell it: copies of each block
 * by the engine's name, and our key for it.
 *
 * Counted is what a prefix hit needs: the GPU's memory, and of a hybrid model the first group of
 * layers with full attention. The other groups keep only the end of a prefix, or a state, and where
 * they have lost it a hit is shorter than told here; other media have to be loaded first.
 */
export interface EngineBlocks {
  /** Takes in what one engine step changed, in its order. */
  apply(batch: KvBatch): void;
  /** Forgets everything and says so. */
  clear(): void;
  /** Tells all keys again, to a listener that was made to forget them. */
  tellAll(): void;
  /** True while the engine has the block of this key. */
  holds(key: number): boolean;
  /** Distinct blocks, those without a key included. */
  readonly size: number;
  /**
   * Blocks whose beginning was never told, so that nobody knows what they stand for. They are left
   * from before the first event that could still be had, or after a loss.
   */
  readonly orphans: number;
  /** Tokens of a block; undefined before the first store. */
  readonly blockTokens: number | undefined;
  /** Stores that did not fit and were passed over. */
  readonly overflowed: number;
}

/** Our name for a block, and how often the engine has it. */
interface Held {
  /** Undefined: an orphan. */
  key: number | undefined;
  copies: number;
}

/**
 * Follows one engine's events. Bounded by `blocksMax`, which no engine reaches unless it forgets to
 * tell removals.
 */
export function createEngineBlocks(news: BlockNews, blocksMax: number): EngineBlocks {
  return new FollowedBlocks(news, blocksMax);
}

class FollowedBlocks implements EngineBlocks {
  readonly #news: BlockNews;
  readonly #blocksMax: number;
  readonly #held = new Map<BlockHash, Held>();
  readonly #keys = new Set<number>();
  #countedGroup: number | undefined;
  orphans = 0;
  overflowed = 0;
  blockTokens: number | undefined;

  constructor(news: BlockNews, blocksMax: number) {
    this.#news = news;
    this.#blocksMax = blocksMax;
  }

  get size(): number {
    return this.#held.size;
  }

  apply({ events }: KvBatch): void {
    for (const event of events) {
      if (event.type === "cleared") {
        this.clear();
      } else if (event.type === "removed") {
        const isCounted = event.group === undefined || event.group === this.#countedGroup;
        if (isCounted && isGpu(event.medium)) this.#remove(event.hashes);
      } else if (this.#isCounted(event)) {
        // Some models also cache part of a block; it is never the larger one.
        this.blockTokens = Math.max(this.blockTokens ?? 0, event.blockTokens);
        this.#store(event);
      }
    }
  }

  clear(): void {
    if (this.#held.size === 0) return;
    this.#held.clear();
    this.#keys.clear();
    this.orphans = 0;
    this.#news.cleared();
  }

  tellAll(): void {
    if (this.#keys.size > 0) this.#news.stored([...this.#keys]);
  }

  holds(key: number): boolean {
    return this.#keys.has(key);
  }

  #store(event: BlocksStored): void {
    const gained: number[] = [];
    let parent = keyBefore(event, this.#held);
    for (const [index, hash] of event.hashes.entries()) {
      const key = parent === undefined ? undefined : keyOf(event, index, parent);
      parent = key;
      if (!this.#addCopy(hash, key) || key === undefined) continue;
      this.#keys.add(key);
      gained.push(key);
    }
    if (gained.length > 0) this.#news.stored(gained);
  }

  /** True when this copy makes the block's key known. */
  #addCopy(hash: BlockHash, key: number | undefined): boolean {
    const known = this.#held.get(hash);
    if (known === undefined) {
      if (this.#held.size >= this.#blocksMax) {
        this.overflowed += 1;
        return false;
      }
      this.#held.set(hash, { key, copies: 1 });
      if (key === undefined) this.orphans += 1;
      return true;
    }
    known.copies += 1;
    if (known.key !== undefined || key === undefined) return false;
    // Stored again behind a beginning that is known by now.
    known.key = key;
    this.orphans -= 1;
    return true;
  }

  #remove(hashes: readonly BlockHash[]): void {
    const lost: number[] = [];
    for (const hash of hashes) {
      const known = this.#held.get(hash);
      if (known === undefined) continue;
      known.copies -= 1;
      if (known.copies > 0) continue;
      this.#held.delete(hash);
      if (known.key === undefined) {
        this.orphans -= 1;
      } else {
        this.#keys.delete(known.key);
        lost.push(known.key);
      }
    }
    if (lost.length > 0) this.#news.removed(lost);
  }

  /** Only stores say what kind of layers a group has; removals name the group alone. */
  #isCounted({ medium, group = 0, specKind }: BlocksStored): boolean {
    if (!isGpu(medium)) return false;
    const isFull = specKind === undefined || fullAttention.test(specKind);
    if (this.#countedGroup === undefined && isFull) this.#countedGroup = group;
    return group === this.#countedGroup;
  }
}

/** The key that an event's first block follows; undefined where nobody can know. */
function keyBefore(event: BlocksStored, held: ReadonlyMap<BlockHash, Held>): number | undefined {
  // Blocks that a group leaves out have tokens and no hash: which is whose is not told.
  if (event.tokenIds.length !== event.hashes.length * event.blockTokens) return undefined;
  return event.parent === undefined ? rootOf(event) : held.get(event.parent)?.key;
}

/** vLLM's names for it. */
const fullAttention = /^(sink_)?(full|mla)_attention$/;

/** An engine that names no medium has one. */
function isGpu(medium: string | undefined): boolean {
  return medium === undefined || medium.toUpperCase() === "GPU";
}
