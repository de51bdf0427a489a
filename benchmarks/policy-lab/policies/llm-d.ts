import { CacheIndex } from "@warmpath/inference-proxy/policy";
import type { Policy, PolicyContext, PolicyRun, ReplicaView, RoutedRequest } from "../types.ts";
import { applyCacheEvents } from "./shared/apply-cache-events.ts";
import { cheapest } from "./shared/choose.ts";
import { PromptHistory } from "./shared/prompt-history.ts";

/** Weights and index of one configuration of llm-d's scheduler. */
export interface LlmDOptions {
  readonly queueWeight: number;
  readonly kvUsageWeight: number;
  readonly prefixWeight: number;
  /** Where the prefix scorer looks; "none": its weight is not used. */
  readonly prefix: "history" | "events" | "none";
  /** Of the history index: tokens of a block, longest prefix looked at, blocks kept per replica. */
  readonly chunkTokens: number;
  readonly prefixTokensMax: number;
  /** Absent: as many as hold the replica's KV capacity. */
  readonly chunksMax?: number;
}

/** The default profile: pkg/epp/config/loader/defaults.go and the approximate index's limits. */
const llmDDefaults: LlmDOptions = {
  queueWeight: 2,
  kvUsageWeight: 2,
  prefixWeight: 3,
  prefix: "history",
  chunkTokens: 64,
  prefixTokensMax: 131_072,
};

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
  start: (context) => startLlmD(context, llmDDefaults),
};

/** The same profile with the index that KV events feed; no speculative entries, as by default. */
export const llmDPrecise: Policy = {
  name: "llm-d-precise",
  source:
    "llm-d-router v0.10.0, the default weights with preciseprefixcache for the prefix scorer " +
    "(llm-d blog, 2025-09-24)",
  about: "As llm-d, with the prefix match read from the engines' KV events.",
  start: (context) => startLlmD(context, { ...llmDDefaults, prefix: "events" }),
};

/** llm-d's scheduler in any configuration. */
export function startLlmD(context: PolicyContext, options: LlmDOptions): PolicyRun {
  const { replicas: count, random } = context;
  const { queueWeight, kvUsageWeight, prefixWeight } = options;
  const knowledge = knowledgeOf(context, options);
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

function knowledgeOf(context: PolicyContext, options: LlmDOptions): PrefixKnowledge | undefined {
  if (options.prefix === "none") return undefined;
  return options.prefix === "events" ? eventKnowledge(context) : historyKnowledge(context, options);
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

function historyKnowledge(
  { replicas, blocks, blockTokens }: PolicyContext,
  options: LlmDOptions,
): PrefixKnowledge {
  const chunkBlocks = Math.max(1, Math.ceil(options.chunkTokens / blockTokens));
  const chunksLookedAt = Math.floor(options.prefixTokensMax / (chunkBlocks * blockTokens));
  const keysMax = blocks.map(
    (its) => options.chunksMax ?? Math.max(1, Math.floor(its / chunkBlocks)),
  );
  const index = new PromptHistory({ chunkBlocks, chunksMax: chunksLookedAt, keysMax });
  const depths = new Int32Array(replicas);
  return {
    writeShares(request, nowMs, shares) {
      index.writeDepths(request, nowMs, depths);
      const total = Math.max(1, index.chunksOf(request));
      for (let replica = 0; replica < replicas; replica++) {
        shares[replica] = depths[replica]! / total;
      }
    },
    onPlaced: (request, replica, nowMs) => index.record(request, replica, nowMs),
    hooks: { onReplicaLost: (replica) => index.clear(replica) },
  };
}

function eventKnowledge({ replicas, blocks }: PolicyContext): PrefixKnowledge {
  const index = new CacheIndex(blocks);
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
      onCacheEvents: (replica, events) => applyCacheEvents(index, replica, events),
      onReplicaLost: (replica) => index.clear(replica),
    },
  };
}
