import type { LiveRequest } from "./live-request.ts";
import type { RequestBlocks } from "./request-blocks.ts";

/**
 * Decides whether the head of the waiting queue fits into the KV cache: its known tokens as a
 * whole, so that a prompt is not begun that cannot be finished (vLLM's
 * `scheduler_reserve_full_isl`), or its first chunk only.
 *
 * A head that does not fit is asked again at every step, and looking its chain up each time would
 * cost more than all the rest. So the free blocks it was short of are remembered. Evictions and
 * frees can only make that figure too small, which costs a look; it becomes too large only when a
 * block of this chain is stored or referred to by somebody else, and then it is forgotten.
 */
export class Admission {
  readonly #blocks: RequestBlocks;
  readonly #reservesWhole: boolean;
  #refused: LiveRequest | undefined;
  #refusedBlocks = 0;
  #neededFree = 0;

  constructor(blocks: RequestBlocks, reservesWhole: boolean) {
    this.#blocks = blocks;
    this.#reservesWhole = reservesWhole;
    blocks.onStored = (index, key) => this.#forgetIfOfRefused(index, key);
  }

  /** Fills `blocks.hits` and returns the first chunk in tokens, or 0 when the request must wait. */
  chunkOf(request: LiveRequest, chunkTokensMax: number): number {
    const { pool, blockTokens } = this.#blocks;
    if (request === this.#refused && this.#neededFree > pool.free) return 0;
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
    }
    return 0;
  }

  #forgetIfOfRefused(index: number, key: number): void {
    if (this.#refused === undefined || index >= this.#refusedBlocks) return;
    if (this.#refused.chain.key(index) === key) this.#refused = undefined;
  }
}
