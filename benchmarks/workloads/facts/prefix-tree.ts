import type { Segment } from "../types.ts";

/** One run of tokens after one list of runs: equal nodes are equal tokens after equal tokens. */
export interface PrefixNode {
  readonly tokens: number;
  /** Tokens from the very beginning up to the end of the run. */
  readonly endTokens: number;
  /** Who walked here first. */
  readonly walker: number;
}

/** Who walks, and where nobody else does. */
export interface WalkOptions {
  /** Default 0. */
  readonly walker?: number;
  /** Under another salt nothing is equal. */
  readonly salt?: string;
}

/** What `PrefixTree.walk` found. */
export interface Walk {
  /** One node for each run; the same array for the same `segments`, which grows with them. */
  readonly nodes: readonly PrefixNode[];
  /** How many of the runs, from the first on, had been walked before. */
  readonly known: number;
}

class Node implements PrefixNode {
  readonly tokens: number;
  readonly endTokens: number;
  readonly walker: number;
  readonly successors = new Map<number, Node>();

  constructor(tokens: number, startTokens: number, walker: number) {
    this.tokens = tokens;
    this.endTokens = startTokens + tokens;
    this.walker = walker;
  }
}

/** Every list of runs that was walked, as a tree; what an infinite cache would hold. */
export class PrefixTree {
  readonly #roots = new Map<string, Node>();
  // Turns share one growing array, so that a long session costs its new runs only.
  readonly #paths = new WeakMap<readonly Segment[], Node[]>();

  /** Walks the first `count` runs. */
  walk(segments: readonly Segment[], count: number, options: WalkOptions = {}): Walk {
    const { walker = 0, salt = "" } = options;
    const nodes = this.#pathOf(segments);
    let known = Math.min(nodes.length, count);
    let isKnown = known === nodes.length;
    for (let index = nodes.length; index < count; index += 1) {
      const segment = segments[index];
      if (segment === undefined) throw new RangeError(`a list of fewer than ${count} runs`);
      const parent = nodes.at(-1) ?? this.#rootOf(salt);
      const found = parent.successors.get(segment.content);
      isKnown &&= found !== undefined;
      if (isKnown) known += 1;
      nodes.push(found ?? grow(parent, segment, walker));
    }
    return { nodes, known };
  }

  #pathOf(segments: readonly Segment[]): Node[] {
    const path = this.#paths.get(segments) ?? [];
    this.#paths.set(segments, path);
    return path;
  }

  #rootOf(salt: string): Node {
    const root = this.#roots.get(salt) ?? new Node(0, 0, 0);
    this.#roots.set(salt, root);
    return root;
  }
}

function grow(parent: Node, { content, tokens }: Segment, walker: number): Node {
  const node = new Node(tokens, parent.endTokens, walker);
  parent.successors.set(content, node);
  return node;
}
