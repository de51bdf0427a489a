import type { BlockChain, BlockKey } from "../../engine/types.ts";

/** A cache that never forgets; one for the whole fleet is what hits are held against. */
export interface InfiniteCache {
  /** Prompt tokens that it serves. */
  cachedTokens(chain: BlockChain, promptTokens: number): number;
  /**
   * Prompt tokens it serves of a request that is sent now, then takes in prompt and answer. The
   * answer counts from the moment of sending, which nobody can make use of before it exists.
   */
  send(chain: BlockChain, promptTokens: number, outputTokens: number): number;
}

/** An empty one. Costs the blocks that are new, and a logarithm of those that are known. */
export function createInfiniteCache(blockTokens: number): InfiniteCache {
  const keys = new Set<BlockKey>();
  // The last token of a prompt is always computed, and with it its block.
  const servedOf = (known: number, promptTokens: number) =>
    Math.min(known, Math.floor((promptTokens - 1) / blockTokens)) * blockTokens;
  const knownOf = (chain: BlockChain, promptTokens: number) =>
    knownBlocks(keys, chain, Math.floor(promptTokens / blockTokens));
  return {
    cachedTokens: (chain, promptTokens) => servedOf(knownOf(chain, promptTokens), promptTokens),
    send: (chain, promptTokens, outputTokens) => {
      const known = knownOf(chain, promptTokens);
      const blocks = Math.floor((promptTokens + outputTokens) / blockTokens);
      for (let index = known; index < blocks; index += 1) keys.add(chain.key(index));
      return servedOf(known, promptTokens);
    },
  };
}

/** Known blocks come first: whoever added a block had added all before it. */
function knownBlocks(keys: ReadonlySet<BlockKey>, chain: BlockChain, blocks: number): number {
  let known = 0;
  let unknown = blocks + 1;
  while (unknown - known > 1) {
    const middle = (known + unknown) >> 1;
    if (keys.has(chain.key(middle - 1))) known = middle;
    else unknown = middle;
  }
  return known;
}
