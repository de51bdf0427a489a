import type { BlockKey } from "../../engine/types.ts";
import type { Policy, PolicyContext, PolicyRun, ReplicaView, RoutedRequest } from "../types.ts";
import { cheapest, healthyAt } from "./shared/choose.ts";
import { InFlight } from "./shared/in-flight.ts";

// CLI defaults of SMG 1.9.0 and of vllm-project/router.
const matchThreshold = 0.3;
const balanceAbsolute = 64;
const balanceRelative = 1.5;
/** Largest tree, in tokens per replica. */
const treeTokensMax = 67_108_864;
/** Tokens of a tree node here; the published trees split at any token or character. */
const nodeTokens = 64;

/**
 * SMG's cache_aware with its approximate tree. Chosen where the definition is open: where several
 * replicas share the deepest matching node, the one that was sent it last is meant; nodes are 64
 * tokens long; the oldest go as soon as the tree is full, instead of the least recently used every
 * 120 s (it holds 67 million tokens per replica, so neither happens in an hour). As
 * published, a lost replica's nodes stay until they age out, and a match that leads to a replica
 * that is down goes to the first healthy one.
 */
export const cacheAware: Policy = {
  name: "cache-aware",
  source:
    "SMG 1.9.0 model_gateway/src/policies/cache_aware.rs (the default of vllm-project/router), " +
    "defaults 0.3 / 64 / 1.5",
  about:
    "Shortest queue while the fleet is imbalanced, otherwise the replica last sent the longest match.",
  start: startCacheAware,
};

function startCacheAware({ replicas: count, blockTokens, random }: PolicyContext): PolicyRun {
  const inFlight = new InFlight(count);
  const load = (replica: number) => inFlight.requests[replica]!;
  const nodeBlocks = Math.max(1, Math.ceil(nodeTokens / blockTokens));
  const tree = new LastSentTree(nodeBlocks, (treeTokensMax / (nodeBlocks * blockTokens)) * count);

  const choose = (request: RoutedRequest, replicas: readonly ReplicaView[]): number | "hold" => {
    if (isImbalanced(replicas, inFlight.requests)) return cheapest(replicas, random, load);
    const { tokens, replica } = tree.longestMatch(request);
    if (replica === undefined || tokens / request.promptTokens <= matchThreshold) {
      return cheapest(replicas, random, load);
    }
    return replicas[replica]?.healthy ? replica : healthyAt(replicas, 0);
  };
  return {
    place(request, replicas) {
      const chosen = choose(request, replicas);
      if (chosen === "hold") return chosen;
      tree.record(request, chosen);
      inFlight.placed(request, chosen, 0);
      return chosen;
    },
    onEnded: (requestId) => void inFlight.ended(requestId),
  };
}

/**
 * True when the fullest exceeds the emptiest both by `balanceAbsolute` and by `balanceRelative`.
 */
function isImbalanced(replicas: readonly ReplicaView[], requests: Int32Array): boolean {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const { index, healthy } of replicas) {
    if (!healthy) continue;
    least = Math.min(least, requests[index]!);
    most = Math.max(most, requests[index]!);
  }
  return most - least > balanceAbsolute && most > least * balanceRelative;
}

/** A prefix tree by chained keys: each node knows the replica that was sent it last. */
class LastSentTree {
  readonly #nodeBlocks: number;
  readonly #nodesMax: number;
  /** Oldest first. */
  readonly #lastSentTo = new Map<BlockKey, number>();

  constructor(nodeBlocks: number, nodesMax: number) {
    this.#nodeBlocks = nodeBlocks;
    this.#nodesMax = nodesMax;
  }

  longestMatch(request: RoutedRequest): { tokens: number; replica: number | undefined } {
    const nodes = this.#nodesOf(request);
    let replica: number | undefined;
    let depth = 0;
    for (; depth < nodes; depth++) {
      const next = this.#lastSentTo.get(this.#keyOf(request, depth));
      if (next === undefined) break;
      replica = next;
    }
    return { tokens: depth * this.#nodeBlocks * request.chain.blockTokens, replica };
  }

  record(request: RoutedRequest, replica: number): void {
    const nodes = this.#nodesOf(request);
    for (let node = 0; node < nodes; node++) {
      // A known key keeps its place in the order: moving it costs more than the rest of a decision.
      this.#lastSentTo.set(this.#keyOf(request, node), replica);
    }
    for (const key of this.#lastSentTo.keys()) {
      if (this.#lastSentTo.size <= this.#nodesMax) break;
      this.#lastSentTo.delete(key);
    }
  }

  #nodesOf({ chain, promptTokens }: RoutedRequest): number {
    return Math.floor(promptTokens / (chain.blockTokens * this.#nodeBlocks));
  }

  #keyOf({ chain }: RoutedRequest, node: number): BlockKey {
    return chain.key((node + 1) * this.#nodeBlocks - 1);
  }
}
