import type { BlockChain, BlockKey } from "./types.ts";

/** A chain over token ids; grows as an answer is generated. */
export interface TokenChain extends BlockChain {
  /** Tokens so far. */
  readonly tokens: number;
  append(tokens: ArrayLike<number>): void;
}

/**
 * The place where chains made of real token ids get their keys. Keys are exact, not hashes: a block
 * is looked up by the key before it and its own token ids, all compared. Memory is bounded: block
 * identities that no chain asked for while `blocksMax` others were made are forgotten, and the same
 * tokens get a new key then; an engine that still held the old one would miss, never hit wrongly.
 */
export interface TokenChainSpace {
  readonly blockTokens: number;
  /** Chains with different salts never share a block. */
  chainOf(tokens: ArrayLike<number>, salt?: string): TokenChain;
}

interface TokenChainSpaceOptions {
  /** Default 16. */
  readonly blockTokens?: number;
  /**
   * Identities kept, give or take a factor of two; several times the blocks of the engines that use
   * the space. About 200 bytes each. Default 131072.
   */
  readonly blocksMax?: number;
}

/** Makes an empty space. */
export function createTokenChainSpace(options: TokenChainSpaceOptions = {}): TokenChainSpace {
  const blockTokens = options.blockTokens ?? 16;
  const interner = new Interner(options.blocksMax ?? 131_072);
  return {
    blockTokens,
    chainOf(tokens, salt = "") {
      const chain = new InternedChain(blockTokens, interner, salt);
      chain.append(tokens);
      return chain;
    },
  };
}

/** Numbers block descriptions in the order in which they are first seen, in two generations. */
class Interner {
  readonly #blocksMax: number;
  #young = new Map<string, BlockKey>();
  #old = new Map<string, BlockKey>();
  #nextKey = 0;

  constructor(blocksMax: number) {
    this.#blocksMax = blocksMax;
  }

  keyOf(description: string): BlockKey {
    const young = this.#young.get(description);
    if (young !== undefined) return young;
    const key = this.#old.get(description) ?? this.#nextKey++;
    this.#young.set(description, key);
    if (this.#young.size >= this.#blocksMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    return key;
  }
}

class InternedChain implements TokenChain {
  readonly blockTokens: number;
  readonly #interner: Interner;
  readonly #salt: string;
  readonly #keys: BlockKey[] = [];
  /** Tokens of the block that is not full yet. */
  readonly #rest: number[] = [];

  constructor(blockTokens: number, interner: Interner, salt: string) {
    this.blockTokens = blockTokens;
    this.#interner = interner;
    this.#salt = salt;
  }

  get tokens(): number {
    return this.#keys.length * this.blockTokens + this.#rest.length;
  }

  append(tokens: ArrayLike<number>): void {
    for (let index = 0; index < tokens.length; index++) {
      this.#rest.push(tokens[index] ?? 0);
      if (this.#rest.length < this.blockTokens) continue;
      const parent = this.#keys.at(-1);
      // The first block is told from later ones by its mark, and carries the salt.
      const before = parent === undefined ? `|${this.#salt}|` : `${parent}:`;
      this.#keys.push(this.#interner.keyOf(before + this.#rest.join()));
      this.#rest.length = 0;
    }
  }

  key(index: number): BlockKey {
    const key = this.#keys[index];
    if (key === undefined) throw new RangeError(`the chain has no full block ${index}`);
    return key;
  }
}
