import { keyOf, rootOf } from "./block-root.ts";
import type { BlockHash, BlocksStored, KvBatch } from "./types.ts";

/** What changed in one engine's cache, in our keys. */
export interface BlockNews {
  stored(keys: readonly number[]): void;
  removed(keys: readonly number[]): void;
  cleared(): void;
  /** What it holds is not known any more. */
  forgotten(): void;
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
  /** Forgets everything and says so: the engine has nothing any more, or nobody knows what. */
  clear(why: "empty" | "unknown"): void;
  /** Tells all keys again, to a listener that was made to forget them. */
  tellAll(): void;
  /**
   * From now on remembers where blocks end that are stored under this session id. `isReporting`:
   * the engine was asked to tell what the request found in the cache as well, as if it were stored.
   */
  watch(label: string, isReporting: boolean): void;
  /** Blocks that the request was told to have found; 0 where the engine does not report. */
  reported(label: string): number;
  /**
   * Gives blocks of the chain that ends where `label` stored last further keys, which go with them:
   * key i belongs to the block `blockOf(i)`, counted from the chain's first. Blocks that are not
   * there get none. `label` is forgotten. Returns how many keys found their block.
   */
  alias(label: string, keys: ArrayLike<number>, blockOf: (index: number) => number): number;
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
  /** The block before it, while it is known; its place in the chain, from 0. */
  readonly parent: BlockHash | undefined;
  depth: number;
  /** Keys of texts that end in it. */
  aliases: number[] | undefined;
}

/** A request whose stores are awaited. */
interface Watched {
  readonly isReporting: boolean;
  /** The last block that it stored. */
  tip: BlockHash | undefined;
  reported: number;
}

/** Requests whose stores are awaited; the oldest is forgotten first. */
const watchedMax = 1024;
/** Texts that end in one block; each request adds one for about a kilobyte. */
const aliasesMax = 8;
/** The place of a block whose beginning nobody told. */
const nowhere = -1;

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
  readonly #watched = new Map<string, Watched>();
  /** Keys of texts that have their block: another turn's guess does not move them. */
  readonly #aliased = new Set<number>();
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
        // What it had before its first event that we know is gone as well.
        if (this.#held.size === 0) this.#news.cleared();
        else this.clear("empty");
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

  clear(why: "empty" | "unknown"): void {
    if (this.#held.size === 0) return;
    this.#held.clear();
    this.#keys.clear();
    this.#aliased.clear();
    this.orphans = 0;
    if (why === "empty") this.#news.cleared();
    else this.#news.forgotten();
  }

  tellAll(): void {
    const keys = [...this.#keys, ...this.#aliased];
    if (keys.length > 0) this.#news.stored(keys);
  }

  watch(label: string, isReporting: boolean): void {
    this.#watched.set(label, { isReporting, tip: undefined, reported: 0 });
    const [oldest] = this.#watched.keys();
    if (this.#watched.size > watchedMax && oldest !== undefined) this.#watched.delete(oldest);
  }

  reported(label: string): number {
    return this.#watched.get(label)?.reported ?? 0;
  }

  alias(label: string, keys: ArrayLike<number>, blockOf: (index: number) => number): number {
    const tip = this.#watched.get(label)?.tip;
    this.#watched.delete(label);
    let block = tip === undefined ? undefined : this.#held.get(tip);
    const gained: number[] = [];
    for (let index = keys.length - 1; index >= 0; index--) {
      // Keys are chained: what is before a known one was found with an earlier turn.
      if (this.#aliased.has(keys[index]!)) break;
      const depth = blockOf(index);
      while (block !== undefined && block.depth > depth) block = this.#before(block);
      if (block === undefined) break;
      if (block.depth === depth && this.#addAlias(block, keys[index]!)) gained.push(keys[index]!);
    }
    if (gained.length > 0) this.#news.stored(gained);
    return gained.length;
  }

  holds(key: number): boolean {
    return this.#keys.has(key);
  }

  #store(event: BlocksStored): void {
    const gained: number[] = [];
    const watched = event.sessionId === undefined ? undefined : this.#watched.get(event.sessionId);
    // Whether it found its first blocks or stored them is not said: where known, it found them.
    const isReport = watched?.isReporting === true && event.parent === undefined;
    let before = keyBefore(event, this.#held);
    let { parent } = event;
    for (const [index, hash] of event.hashes.entries()) {
      const key = before === undefined ? undefined : keyOf(event, index, before);
      const isNew = this.#add(hash, key, parent, isReport ? 0 : 1);
      before = key;
      parent = hash;
      if (!isNew || key === undefined) continue;
      this.#keys.add(key);
      gained.push(key);
    }
    if (gained.length > 0) this.#news.stored(gained);
    if (watched === undefined) return;
    watched.tip = parent;
    if (isReport) watched.reported = event.hashes.length;
  }

  /** True when the key had no block yet, and this one has room for it. */
  #addAlias(block: Held, key: number): boolean {
    block.aliases ??= [];
    if (block.aliases.length >= aliasesMax || this.#aliased.has(key)) return false;
    block.aliases.push(key);
    this.#aliased.add(key);
    return true;
  }

  #before({ parent, depth }: Held): Held | undefined {
    const before = parent === undefined ? undefined : this.#held.get(parent);
    return before?.depth === depth - 1 ? before : undefined;
  }

  /** Adds so many copies to a block that is known; true when its key becomes known by this. */
  #add(
    hash: BlockHash,
    key: number | undefined,
    parent: BlockHash | undefined,
    copies: number,
  ): boolean {
    const known = this.#held.get(hash);
    if (known === undefined) {
      if (this.#held.size >= this.#blocksMax) {
        this.overflowed += 1;
        return false;
      }
      const depth = this.#depthAfter(parent);
      this.#held.set(hash, { key, copies: 1, parent, depth, aliases: undefined });
      if (key === undefined) this.orphans += 1;
      return true;
    }
    known.copies += copies;
    if (known.key !== undefined || key === undefined) return false;
    // Stored again behind a beginning that is known by now.
    known.key = key;
    known.depth = this.#depthAfter(parent);
    this.orphans -= 1;
    return true;
  }

  #depthAfter(parent: BlockHash | undefined): number {
    if (parent === undefined) return 0;
    const depth = this.#held.get(parent)?.depth ?? nowhere;
    return depth === nowhere ? nowhere : depth + 1;
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
      for (const key of known.aliases ?? []) {
        this.#aliased.delete(key);
        lost.push(key);
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
