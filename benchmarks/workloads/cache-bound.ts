import { type TraceRequest, traceBlockTokens } from "./mooncake.ts";

/** What a cache of the trace's own blocks would have served. */
export interface CacheBound {
  readonly requests: number;
  readonly blocks: number;
  readonly uniqueBlocks: number;
  readonly tokens: number;
  /** Shares of all blocks and of all prompt tokens that were there before. */
  readonly blockHits: number;
  readonly tokenHits: number;
}

/**
 * The bound that no placement can beat: one cache for everybody, infinite or, with
 * `capacityTokens`, of that size and least recently used first out. Requests come in the order
 * given.
 */
export class CacheBoundCounter {
  // A Map keeps insertion order: the first key is the least recently used.
  readonly #cached = new Map<number, true>();
  readonly #seen = new Set<number>();
  readonly #capacityBlocks: number;
  #requests = 0;
  #blocks = 0;
  #tokens = 0;
  #hitBlocks = 0;
  #hitTokens = 0;

  constructor(capacityTokens = Number.POSITIVE_INFINITY) {
    this.#capacityBlocks = Math.floor(capacityTokens / traceBlockTokens);
  }

  add({ blockIds, inputTokens }: TraceRequest): void {
    this.#requests += 1;
    let isPrefix = true;
    for (const [index, id] of blockIds.entries()) {
      const isLast = index === blockIds.length - 1;
      const tokens = isLast ? inputTokens - index * traceBlockTokens : traceBlockTokens;
      this.#blocks += 1;
      this.#tokens += tokens;
      isPrefix &&= this.#cached.has(id);
      if (isPrefix) {
        this.#hitBlocks += 1;
        this.#hitTokens += tokens;
      }
    }
    for (const id of blockIds) this.#use(id);
  }

  get bound(): CacheBound {
    return {
      requests: this.#requests,
      blocks: this.#blocks,
      uniqueBlocks: this.#seen.size,
      tokens: this.#tokens,
      blockHits: this.#blocks === 0 ? 0 : this.#hitBlocks / this.#blocks,
      tokenHits: this.#tokens === 0 ? 0 : this.#hitTokens / this.#tokens,
    };
  }

  #use(id: number): void {
    this.#seen.add(id);
    this.#cached.delete(id);
    this.#cached.set(id, true);
    if (this.#cached.size <= this.#capacityBlocks) return;
    const [oldest] = this.#cached.keys();
    if (oldest !== undefined) this.#cached.delete(oldest);
  }
}
