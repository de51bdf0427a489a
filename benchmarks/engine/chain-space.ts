import { assert, WarmpathError } from "@warmpath/runtime/base";
import type { Segment } from "../workloads/types.ts";
import type { BlockChain, BlockKey } from "./types.ts";

/**
 * The place where chains made of segments get their keys; engines and indexes that are to share
 * block identities share one space.
 *
 * Keys are exact, not hashes: a trie holds one node for each distinct list of segments, and a node
 * owns a range of consecutive integers, one for each block that ends within its segment. Two blocks
 * get the same key exactly when the segments up to the block's end are the same. Memory grows with
 * distinct segments (about 150 bytes each), not with blocks or tokens; it is freed with the space,
 * so a lab makes one for each run.
 */
export interface ChainSpace {
  readonly blockTokens: number;
  /**
   * The chain of the first `count` segments (default: all). Making the chains of a session turn
   * after turn costs the new segments only, as long as the turns share one `segments` array, which
   * may grow at its end and must not change otherwise.
   */
  chainOf(segments: readonly Segment[], options?: ChainOptions): BlockChain;
}

export interface ChainOptions {
  readonly count?: number;
  /** Chains with different salts never share a block. */
  readonly salt?: string;
}

/** One segment after one list of segments. */
interface Node {
  readonly content: number;
  readonly tokens: number;
  /** Index of the first block that ends within the segment, and of the first after it. */
  readonly firstBlock: number;
  readonly endBlock: number;
  /** Token count up to the end of the segment. */
  readonly endTokens: number;
  /** Key of `firstBlock`. */
  readonly firstKey: BlockKey;
  /** Most nodes have one successor; a map is made for the second. */
  only: Node | undefined;
  more: Map<number, Node[]> | undefined;
}

/** A list of segments as nodes; grows with the array that it was made from. */
type Path = Node[];

/** All chains of one salt. */
interface Part {
  readonly root: Node;
  readonly paths: WeakMap<readonly Segment[], Path>;
}

/** Makes an empty space. */
export function createChainSpace({ blockTokens = 16 } = {}): ChainSpace {
  assert(Number.isInteger(blockTokens) && blockTokens > 0, "a block has tokens");
  const parts = new Map<string, Part>();
  let nextKey = 0;

  function successor(node: Node, segment: Segment): Node {
    const { only } = node;
    if (only !== undefined && isOf(only, segment)) return only;
    const alike = node.more?.get(segment.content);
    const known = alike?.find((next) => isOf(next, segment));
    if (known !== undefined) return known;
    const made = extend(node, segment);
    if (only === undefined) node.only = made;
    else if (alike !== undefined) alike.push(made);
    else {
      node.more ??= new Map();
      node.more.set(segment.content, [made]);
    }
    return made;
  }

  function extend(node: Node, { content, tokens }: Segment): Node {
    if (!Number.isInteger(tokens) || tokens < 0) {
      throw new WarmpathError("rejected-invalid", `a segment of ${tokens} tokens`);
    }
    const endTokens = node.endTokens + tokens;
    const endBlock = Math.floor(endTokens / blockTokens);
    const firstKey = nextKey;
    nextKey += endBlock - node.endBlock;
    return {
      content,
      tokens,
      firstBlock: node.endBlock,
      endBlock,
      endTokens,
      firstKey,
      only: undefined,
      more: undefined,
    };
  }

  /** The nodes of at least `count` segments. */
  function pathOf(segments: readonly Segment[], count: number, salt: string): Path {
    const { root, paths } = partOf(salt);
    const path = paths.get(segments) ?? [];
    if (path.length >= count) return path;
    if (path.length === 0) paths.set(segments, path);
    let node = path.at(-1) ?? root;
    for (let index = path.length; index < count; index++) {
      const segment = segments[index];
      if (segment === undefined) throw new RangeError(`no segment ${index} of ${segments.length}`);
      // A run of no tokens says nothing about what follows it.
      if (segment.tokens !== 0) node = successor(node, segment);
      path.push(node);
    }
    return path;
  }

  function partOf(salt: string): Part {
    let part = parts.get(salt);
    if (part === undefined) {
      part = { root: { ...emptyNode }, paths: new WeakMap() };
      parts.set(salt, part);
    }
    return part;
  }

  return {
    blockTokens,
    chainOf(segments, { count = segments.length, salt = "" } = {}) {
      return new SegmentChain(blockTokens, pathOf(segments, count, salt), count);
    },
  };
}

const emptyNode: Node = {
  content: 0,
  tokens: 0,
  firstBlock: 0,
  endBlock: 0,
  endTokens: 0,
  firstKey: 0,
  only: undefined,
  more: undefined,
};

function isOf(node: Node, segment: Segment): boolean {
  // One content is one run of tokens; should a caller cut one short, it is another run.
  return node.content === segment.content && node.tokens === segment.tokens;
}

class SegmentChain implements BlockChain {
  readonly blockTokens: number;
  readonly #path: Path;
  readonly #count: number;
  /** Where the last key was found: blocks are asked for in order. */
  #at = 0;

  constructor(blockTokens: number, path: Path, count: number) {
    this.blockTokens = blockTokens;
    this.#path = path;
    this.#count = count;
  }

  key(index: number): BlockKey {
    let node = this.#path[this.#at];
    while (node !== undefined && index >= node.endBlock && this.#at < this.#count - 1) {
      this.#at += 1;
      node = this.#path[this.#at];
    }
    while (node !== undefined && index < node.firstBlock && this.#at > 0) {
      this.#at -= 1;
      node = this.#path[this.#at];
    }
    if (node === undefined || index < node.firstBlock || index >= node.endBlock) {
      throw new RangeError(`the chain has no full block ${index}`);
    }
    return node.firstKey + (index - node.firstBlock);
  }
}
