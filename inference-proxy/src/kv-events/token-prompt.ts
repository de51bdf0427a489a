import { type TokenScope, tokenKeys, tokenRoot } from "../prompt/token-keys.ts";

/** A prompt given as token ids, with what an exact prediction needs. */
export interface TokenPrompt {
  readonly tokens: number;
  /** Keys of its full blocks; computed once for each size of block. */
  keys(blockTokens: number): Float64Array;
}

/** Nothing is hashed before somebody asks. */
export function createTokenPrompt(tokenIds: ArrayLike<number>, scope: TokenScope): TokenPrompt {
  const known = new Map<number, Float64Array>();
  return {
    tokens: tokenIds.length,
    keys(blockTokens) {
      const keys = known.get(blockTokens) ?? tokenKeys(tokenRoot(scope), tokenIds, blockTokens);
      known.set(blockTokens, keys);
      return keys;
    },
  };
}

/**
 * Tokens that vLLM takes from its cache for a prompt whose first `depth` blocks it holds: whole
 * blocks, and never the last token, which has to be computed for the first answer token.
 */
export function cachedTokensOf(depth: number, blockTokens: number, promptTokens: number): number {
  return Math.min(depth, Math.floor((promptTokens - 1) / blockTokens)) * blockTokens;
}
