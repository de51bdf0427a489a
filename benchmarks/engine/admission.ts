import type { LiveRequest } from "./live-request.ts";
import type { RequestBlocks } from "./request-blocks.ts";

/**
 * Decides whether the head of the waiting queue fits into the KV cache: its known tokens as a
 * whole, so that a prompt is not begun that cannot be finished (vLLM's
 * `scheduler_reserve_full_isl`), or its first chunk only.
 *
 * A head that does not fit is asked again at every step, and looking its chain up each time would
 * cost more than all the rest. So the free blocks it needs are remembered. Most changes of the
 * cache can only make that figure too small, which costs a look. It becomes too large only when a
 * block of this chain is stored or referred to by somebody else, or a free copy of such a block is
 * evicted and uncovers one in use; then it is forgotten.
 */
export class Admission {
  readonly #blocks: RequestBlocks;
  readonly #reservesWhole: boolean;
  #refused: LiveRequest | undefined;
  #refusedBlocks = 0;
  #neededFree = 0;
  #copiesEvicted = 0;

  constructor(blocks: RequestBlocks, reservesWhole: boolean) {
    this.#blocks = blocks;
    this.#reservesWhole = reservesWhole;
    blocks.onStored = (index, key) => this.#forgetIfOfRefused(index, key);
  }

  /** Fills `blocks.hits` and returns the first chunk in tokens, or 0 when the request must wait. */
  chunkOf(request: LiveRequest, chunkTokensMax: number): number {
    const { pool, blockTokens } = this.#blocks;
    if (this.#isStillRefused(request)) return 0;
    const { knownTokens } = request;
    const freeHits = this.#blocks.lookUp(request.chain, knownTokens);
    const hits = this.#blocks.hits.length;
    const chunk = Math.min(knownTokens - hits * blockTokens, chunkTokensMax);
    const wanted = this.#reservesWhole ? knownTokens : hits * blockTokens + chunk;
    const neededFree = this.#blocks.blocksFor(wanted) - hits + freeHits;
    if (neededFree <= pool.free) {
      this.#refused = undefined;
      return chunk;
    }
    if (this.#reservesWhole) {
      this.#refused = request;
      this.#refusedBlocks = Math.floor((knownTokens - 1) / blockTokens);
      this.#neededFree = neededFree;
      this.#copiesEvicted = pool.copiesEvicted;
    }
    return 0;
  }

  #isStillRefused(request: LiveRequest): boolean {
    const { pool } = this.#blocks;
    if (request !== this.#refused || this.#copiesEvicted !== pool.copiesEvicted) return false;
    return this.#neededFree > pool.free;
  }

  #forgetIfOfRefused(index: number, key: number): void {
    if (this.#refused === undefined || index >= this.#refusedBlocks) return;
    if (this.#refused.chain.key(index) === key) this.#refused = undefined;
  }
}
