import type { BlockPool } from "./block-pool.ts";
import type { LiveRequest } from "./live-request.ts";
import type { BlockChain, CacheEvent } from "./types.ts";

/**
 * The KV blocks of requests: which of a request's blocks are in the cache already, taking more,
 * putting full ones into the index, giving them back.
 */
export class RequestBlocks {
  readonly pool: BlockPool;
  readonly blockTokens: number;
  readonly #hasPrefixCache: boolean;
  readonly #events: CacheEvent[] | undefined;
  /** Called for every block that enters the index. */
  onStored: ((index: number, key: number) => void) | undefined;
  /** Blocks that the last `lookUp` found. */
  readonly hits: number[] = [];

  constructor(options: {
    readonly pool: BlockPool;
    readonly blockTokens: number;
    readonly hasPrefixCache: boolean;
    readonly events: CacheEvent[] | undefined;
  }) {
    this.pool = options.pool;
    this.blockTokens = options.blockTokens;
    this.#hasPrefixCache = options.hasPrefixCache;
    this.#events = options.events;
  }

  /** Blocks that hold so many tokens. */
  blocksFor(tokens: number): number {
    return Math.ceil(tokens / this.blockTokens);
  }

  /**
   * Finds the longest run of cached blocks from the start of a chain into `hits`; touches nothing.
   * The last of the known tokens is never served: its logits are needed. Returns how many of the
   * hits nobody refers to, so that using them costs free blocks.
   */
  lookUp(chain: BlockChain, knownTokens: number): number {
    this.hits.length = 0;
    if (!this.#hasPrefixCache) return 0;
    const limit = Math.floor((knownTokens - 1) / this.blockTokens);
    let freeHits = 0;
    for (let index = 0; index < limit; index++) {
      const block = this.pool.find(chain.key(index));
      if (block < 0) break;
      this.hits.push(block);
      if (this.pool.isFree(block)) freeHits += 1;
    }
    return freeHits;
  }

  /** Gives a request without blocks those that the last `lookUp` found. */
  holdHits(request: LiveRequest): void {
    for (const block of this.hits) {
      this.pool.hold(block);
      request.blocks.push(block);
    }
    request.storedBlocks = this.hits.length;
  }

  /** Free blocks that a request lacks for so many tokens. */
  lacking(request: LiveRequest, tokens: number): number {
    return this.blocksFor(tokens) - request.blocks.length;
  }

  /** Takes the blocks that a request lacks, and indexes those that will be full with `tokens`. */
  grow(request: LiveRequest, tokens: number): void {
    for (let count = this.lacking(request, tokens); count > 0; count--) {
      request.blocks.push(this.pool.take());
    }
    if (this.#hasPrefixCache) this.#store(request, Math.floor(tokens / this.blockTokens));
  }

  /** From the tail, so that a chain is evicted tail first. */
  release(request: LiveRequest): void {
    const { blocks } = request;
    for (let index = blocks.length - 1; index >= 0; index--) this.pool.release(blocks[index]!);
    blocks.length = 0;
    request.storedBlocks = 0;
  }

  /** When a decoding request next needs a block or fills one, from what it has now. */
  nextEventStep(request: LiveRequest): number {
    const tokensAtTake = request.blocks.length * this.blockTokens + 1;
    if (!this.#hasPrefixCache) return request.origin + tokensAtTake;
    const tokensAtFill = (request.storedBlocks + 1) * this.blockTokens;
    return request.origin + Math.min(tokensAtTake, tokensAtFill);
  }

  #store(request: LiveRequest, fullBlocks: number): void {
    const { chain, storedBlocks } = request;
    if (fullBlocks <= storedBlocks) return;
    const keys: number[] | undefined = this.#events === undefined ? undefined : [];
    for (let index = storedBlocks; index < fullBlocks; index++) {
      const key = chain.key(index);
      this.pool.store(request.blocks[index]!, key);
      this.onStored?.(index, key);
      keys?.push(key);
    }
    request.storedBlocks = fullBlocks;
    if (keys === undefined) return;
    this.#events?.push({
      type: "stored",
      requestId: request.id,
      firstBlock: storedBlocks,
      keys,
      parentKey: storedBlocks === 0 ? undefined : chain.key(storedBlocks - 1),
    });
  }
}
