/**
 * Exact keys: one number for each full block of a prompt given as token ids. The same function
 * names the blocks that an engine says it has stored, so that equal keys mean an equal prefix in
 * one cache.
 *
 * A key stands for all tokens up to the end of its block, for the cache salt and for the LoRA
 * adapter: what vLLM hashes into its own block names. The base model is not part of it, since an
 * engine's events do not name it: replicas that serve other models are no candidates anyway.
 * Blocks of another size have other keys, even of the same tokens.
 */

/** What separates the prefix caches inside one engine; each is empty where there is none. */
export interface TokenScope {
  /** As it reaches the engine: the tenant's, narrowed by the client's own. */
  readonly salt: string;
  /** Name of the LoRA adapter. */
  readonly lora: string;
}

/** The key before the first block. */
export function tokenRoot({ salt, lora }: TokenScope): number {
  // The length in front keeps "ab" + "c" and "a" + "bc" apart.
  const text = `${salt.length}/${salt}/${lora}`;
  const units = new Uint16Array(text.length);
  for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
  return nextTokenKey(0, units, 0, units.length);
}

/**
 * The key of the block of `tokenIds[from…to)` that follows the prefix `parent`; a whole number from
 * 0 to 2^53 − 1. Two lanes of MurmurHash3's rounds: the state is wider than the result.
 */
export function nextTokenKey(
  parent: number,
  tokenIds: ArrayLike<number>,
  from: number,
  to: number,
): number {
  let low = parent | 0;
  let high = Math.floor(parent / 2 ** 32) ^ 0x2c1b3c6d;
  for (let at = from; at < to; at++) {
    const token = tokenIds[at]!;
    let word = Math.imul(token, 0xcc9e2d51);
    word = Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    low ^= word;
    low = (Math.imul((low << 13) | (low >>> 19), 5) + 0xe6546b64) | 0;
    word = Math.imul(token, 0x239b961b);
    word = Math.imul((word << 16) | (word >>> 16), 0xab0e9789);
    high ^= word;
    high = (Math.imul((high << 15) | (high >>> 17), 5) + 0x561ccd1b + low) | 0;
  }
  const length = to - from;
  const a = spread(low ^ length);
  const b = spread(high ^ a);
  return (b & 0x1f_ffff) * 2 ** 32 + (spread(a ^ b) >>> 0);
}

/** Keys of all full blocks of a prompt. */
export function tokenKeys(
  root: number,
  tokenIds: ArrayLike<number>,
  blockTokens: number,
): Float64Array {
  const keys = new Float64Array(Math.floor(tokenIds.length / blockTokens));
  let key = root;
  for (let block = 0; block < keys.length; block++) {
    key = nextTokenKey(key, tokenIds, block * blockTokens, (block + 1) * blockTokens);
    keys[block] = key;
  }
  return keys;
}

/** MurmurHash3's last step: every bit of the input moves every bit of the result. */
function spread(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
