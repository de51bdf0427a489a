import type { Policy, PolicyContext, PolicyRun, ReplicaView, RoutedRequest } from "../types.ts";
import { cheapest } from "./shared/choose.ts";
import { CountedIndex } from "./shared/counted-index.ts";
import { HistoryIndex } from "./shared/history-index.ts";

// Weights of the default profile: pkg/epp/config/loader/defaults.go.
const queueWeight = 2;
const kvUsageWeight = 2;
const prefixWeight = 3;

/** The approximate index never works on blocks below 64 tokens. */
const chunkTokensMin = 64;
/** Longest prefix it looks at. */
const prefixTokensMax = 131_072;

/** What the prefix scorer asks: the share of a prompt believed to be cached on each replica. */
interface PrefixKnowledge {
  /** Writes a share of 0 to 1 per replica. */
  writeShares(request: RoutedRequest, nowMs: number, shares: Float64Array): void;
  onPlaced?(request: RoutedRequest, replica: number, nowMs: number): void;
  readonly hooks?: Pick<PolicyRun, "onCacheEvents" | "onReplicaLost">;
}

/**
 * llm-d's default profile with the approximate prefix index. Chosen where the definition is open:
 * the index of a replica is as large as its KV cache (the plugin's automatic tuning reads the
 * engine's block count; counted here in tokens, although its blocks are four times the engine's),
 * and a lost replica's index is dropped.
 */
export const llmD: Policy = {
  name: "llm-d",
  source:
    "llm-d-router v0.10.0, default profile: queue scorer ×2, kv-cache-utilization scorer ×2, " +
    "prefix-cache scorer ×3 (approximate), max-score picker",
  about: "Weighted sum of scraped queue, scraped KV use and prefix match from its own history.",
  start: (context) => startScoring(context, historyKnowledge(context)),
};

/** The same profile with the index that KV events feed; no speculative entries, as by default. */
export const llmDPrecise: Policy = {
  name: "llm-d-precise",
  source:
    "llm-d-router v0.10.0, the default weights with preciseprefixcache for the prefix scorer " +
    "(llm-d blog, 2025-09-24)",
  about: "As llm-d, with the prefix match read from the engines' KV events.",
  start: (context) => startScoring(context, eventKnowledge(context)),
};

/** The same profile without its prefix scorer: what the published comparison calls load-aware. */
export const llmDLoad: Policy = {
  name: "llm-d-load",
  source:
    "llm-d-router v0.10.0, queue and kv-cache-utilization scorers only (llm-d blog, 2025-09-24)",
  about: "Weighted sum of scraped queue and scraped KV use; blind to prefixes.",
  start: (context) => startScoring(context, undefined),
};

function startScoring(
  { replicas: count, random }: PolicyContext,
  knowledge: PrefixKnowledge | undefined,
): PolicyRun {
  const shares = new Float64Array(count);
  return {
    place(request, replicas, nowMs) {
      knowledge?.writeShares(request, nowMs, shares);
      const { waitingMin, waitingMax } = waitingRange(replicas);
      const chosen = cheapest(replicas, random, (replica) => {
        const { waiting, kvUsage } = replicas[replica]!;
        // (max − waiting) / (max − min) over the candidates, 1 for all when all are equal.
        const queue =
          waitingMax > waitingMin ? (waitingMax - waiting) / (waitingMax - waitingMin) : 1;
        const score =
          queueWeight * queue +
          kvUsageWeight * (1 - Math.min(1, kvUsage)) +
          prefixWeight * shares[replica]!;
        return -score;
      });
      if (chosen !== "hold") knowledge?.onPlaced?.(request, chosen, nowMs);
      return chosen;
    },
    ...knowledge?.hooks,
  };
}

function waitingRange(replicas: readonly ReplicaView[]) {
  let waitingMin = Number.POSITIVE_INFINITY;
  let waitingMax = 0;
  for (const { healthy, waiting } of replicas) {
    if (!healthy) continue;
    waitingMin = Math.min(waitingMin, waiting);
    waitingMax = Math.max(waitingMax, waiting);
  }
  return { waitingMin, waitingMax };
}

function historyKnowledge({ replicas, blocks, blockTokens }: PolicyContext): PrefixKnowledge {
  const chunkBlocks = Math.max(1, Math.ceil(chunkTokensMin / blockTokens));
  const chunksMax = Math.floor(prefixTokensMax / (chunkBlocks * blockTokens));
  const keysMax = blocks.map((its) => Math.max(1, Math.floor(its / chunkBlocks)));
  const index = new HistoryIndex({ chunkBlocks, keysMax });
  const depths = new Int32Array(replicas);
  return {
    writeShares(request, nowMs, shares) {
      index.writeDepths(request, nowMs, depths);
      const total = Math.max(1, Math.min(chunksMax, index.chunksOf(request)));
      for (let replica = 0; replica < replicas; replica++) {
        shares[replica] = Math.min(total, depths[replica]!) / total;
      }
    },
    onPlaced: (request, replica, nowMs) => index.record(request, replica, nowMs),
    hooks: { onReplicaLost: (replica) => index.clear(replica) },
  };
}

function eventKnowledge({ replicas, blocks }: PolicyContext): PrefixKnowledge {
  const index = new CountedIndex(blocks);
  const depths = new Int32Array(replicas);
  return {
    writeShares({ chain, promptTokens }, _nowMs, shares) {
      const total = Math.floor(promptTokens / chain.blockTokens);
      index.writeDepths((block) => chain.key(block), total, depths);
      for (let replica = 0; replica < replicas; replica++) {
        shares[replica] = depths[replica]! / Math.max(1, total);
      }
    },
    hooks: {
      onCacheEvents: (replica, events) => index.apply(replica, events),
      onReplicaLost: (replica) => index.clear(replica),
    },
  };
}
