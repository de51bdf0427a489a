import { mooncakeBlockTokens, type TraceRequest } from "./read-trace.ts";
import { RecencyOrder } from "./recency-order.ts";

/** Shares of all blocks, and of all prompt tokens, that were in the cache. */
export interface CacheHits {
  readonly blockHits: number;
  readonly tokenHits: number;
}

/** What one cache for everybody would have served of a trace: no placement can beat it. */
export interface CacheCurve {
  readonly requests: number;
  readonly blocks: number;
  readonly uniqueBlocks: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly infinite: CacheHits;
  /** With so many tokens of cache, least recently used first out. */
  readonly finite: readonly (CacheHits & { readonly cacheTokens: number })[];
}

/**
 * Counts, in the order of the requests, which prompts are there already. All sizes come from one
 * pass: an LRU cache of `n` blocks holds the `n` last used ones (Mattson et al., 1970). A block
 * counts only while all blocks before it do. The end of a prompt is used first, as vLLM frees it,
 * so that an eviction shortens a prefix and does not behead it. Memory grows with distinct blocks.
 */
export class CacheCurveCounter {
  readonly #recency = new RecencyOrder();
  readonly #blockTokens: number;
  readonly #sizes: readonly number[];
  /** Hits that the size of the same index serves and the one before does not; last: infinite. */
  readonly #blocksBySize: number[];
  readonly #tokensBySize: number[];
  #requests = 0;
  #blocks = 0;
  #promptTokens = 0;
  #outputTokens = 0;

  /** `cacheTokens` are the sizes to look at. */
  constructor(cacheTokens: readonly number[] = [], blockTokens = mooncakeBlockTokens) {
    this.#blockTokens = blockTokens;
    this.#sizes = cacheTokens.toSorted((left, right) => left - right);
    this.#blocksBySize = Array.from({ length: this.#sizes.length + 1 }, () => 0);
    this.#tokensBySize = [...this.#blocksBySize];
  }

  add({ blockIds, inputTokens, outputTokens }: TraceRequest): void {
    this.#requests += 1;
    this.#blocks += blockIds.length;
    this.#promptTokens += inputTokens;
    this.#outputTokens += outputTokens;
    let neededBlocks = 0;
    for (const [index, id] of blockIds.entries()) {
      const rank = this.#recency.rankOf(id);
      if (rank === undefined) break;
      neededBlocks = Math.max(neededBlocks, rank + 1);
      const tokens = Math.min(this.#blockTokens, inputTokens - index * this.#blockTokens);
      this.#count(neededBlocks * this.#blockTokens, tokens);
    }
    for (const id of blockIds.toReversed()) this.#recency.use(id);
  }

  curve(): CacheCurve {
    let blocks = 0;
    let tokens = 0;
    const cumulative = this.#blocksBySize.map((count, index): CacheHits => {
      blocks += count;
      tokens += this.#tokensBySize[index] ?? 0;
      return {
        blockHits: this.#blocks === 0 ? 0 : blocks / this.#blocks,
        tokenHits: this.#promptTokens === 0 ? 0 : tokens / this.#promptTokens,
      };
    });
    const none = { blockHits: 0, tokenHits: 0 };
    return {
      requests: this.#requests,
      blocks: this.#blocks,
      uniqueBlocks: this.#recency.size,
      promptTokens: this.#promptTokens,
      outputTokens: this.#outputTokens,
      infinite: cumulative.at(-1) ?? none,
      finite: this.#sizes.map((cacheTokens, index) => ({
        cacheTokens,
        ...(cumulative[index] ?? none),
      })),
    };
  }

  #count(neededTokens: number, tokens: number): void {
    const found = this.#sizes.findIndex((size) => size >= neededTokens);
    const index = found === -1 ? this.#sizes.length : found;
    this.#blocksBySize[index] = (this.#blocksBySize[index] ?? 0) + 1;
    this.#tokensBySize[index] = (this.#tokensBySize[index] ?? 0) + tokens;
  }
}
