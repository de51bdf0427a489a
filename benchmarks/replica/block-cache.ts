import { blockTokens } from "./config.ts";

/** What one admitted request holds of the cache. */
export interface CacheHold {
  /** Prompt tokens found in the cache; always a multiple of the block size. */
  readonly cachedTokens: number;
  /** Gives the blocks back; their content stays cached until it is evicted. */
  release(generated: readonly number[]): void;
}

/**
 * Prefix cache over hash-chained blocks of 16 tokens: a block's hash covers everything before it,
 * so equal hashes mean equal prefixes. Least recently used blocks that nobody holds are evicted
 * first, the tail of a chain before its head.
 */
export class BlockCache {
  readonly #capacity: number;
  /**
   * Hash to number of holders, in order of last use: the first entry with no holder is the next
   * victim.
   */
  readonly #holders = new Map<bigint, number>();
  /** Blocks set aside for answers still being generated. */
  #reserved = 0;
  #heldCount = 0;

  constructor(capacityBlocks: number) {
    this.#capacity = capacityBlocks;
  }

  /** Share of the blocks that running requests hold, 0 to 1. */
  get usage(): number {
    return (this.#heldCount + this.#reserved) / this.#capacity;
  }

  /**
   * Takes the blocks of a prompt and room for its answer, or returns undefined when they are not
   * free.
   */
  acquire(prompt: readonly number[], outputTokens: number, salt: string): CacheHold | undefined {
    const hashes = hashChain(prompt, salt);
    const totalBlocks = Math.ceil((prompt.length + outputTokens) / blockTokens);
    const ownBlocks = totalBlocks - hashes.length;
    const newlyHeld = hashes.filter((hash) => (this.#holders.get(hash) ?? 0) === 0).length;
    if (this.#heldCount + this.#reserved + newlyHeld + ownBlocks > this.#capacity) return undefined;

    const found = hashes.findIndex((hash) => !this.#holders.has(hash));
    const hitBlocks = found === -1 ? hashes.length : found;
    // The last prompt token is always computed, so a prompt that is all blocks misses its last one.
    const usable = Math.min(hitBlocks, Math.floor((prompt.length - 1) / blockTokens));
    for (const hash of hashes) this.#hold(hash);
    this.#reserved += ownBlocks;
    this.#evict();
    return {
      cachedTokens: usable * blockTokens,
      release: (generated) => this.#release(hashes, ownBlocks, [...prompt, ...generated], salt),
    };
  }

  #release(held: readonly bigint[], ownBlocks: number, tokens: number[], salt: string): void {
    this.#reserved -= ownBlocks;
    // The newest token was sampled but never run through the model: its key and value do not exist.
    const chain = hashChain(tokens.slice(0, -1), salt);
    for (const hash of chain.slice(held.length)) this.#hold(hash);
    for (const hash of held.length > chain.length ? held : chain.toReversed()) this.#drop(hash);
    this.#evict();
  }

  #hold(hash: bigint): void {
    const holders = this.#holders.get(hash) ?? 0;
    if (holders === 0) this.#heldCount += 1;
    this.#holders.delete(hash);
    this.#holders.set(hash, holders + 1);
  }

  #drop(hash: bigint): void {
    const holders = this.#holders.get(hash) ?? 0;
    if (holders === 1) this.#heldCount -= 1;
    this.#holders.delete(hash);
    this.#holders.set(hash, Math.max(0, holders - 1));
  }

  #evict(): void {
    let excess = this.#holders.size + this.#reserved - this.#capacity;
    if (excess <= 0) return;
    for (const [hash, holders] of this.#holders) {
      if (holders > 0) continue;
      this.#holders.delete(hash);
      excess -= 1;
      if (excess <= 0) return;
    }
  }
}

/**
 * Hashes of the full blocks of a token sequence, each chained on the one before and rooted in the
 * salt.
 */
export function hashChain(tokens: readonly number[], salt: string): bigint[] {
  const chain: bigint[] = [];
  let parent = Bun.hash.wyhash(salt);
  for (let end = blockTokens; end <= tokens.length; end += blockTokens) {
    parent = Bun.hash.wyhash(Uint32Array.from(tokens.slice(end - blockTokens, end)), parent);
    chain.push(parent);
  }
  return chain;
}
