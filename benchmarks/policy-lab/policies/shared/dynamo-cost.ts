import { CacheIndex } from "@warmpath/inference-proxy/policy";
import type { CacheEvent } from "../../../engine/types.ts";
import type { PolicyContext, ReplicaView, RoutedRequest } from "../../types.ts";
import { applyCacheEvents } from "./apply-cache-events.ts";
import { cheapest } from "./choose.ts";
import { InFlight } from "./in-flight.ts";

/** Engine blocks that one key of the active sequences stands for: they are only counted. */
const activeChunkBlocks = 4;

/** Parameters of Dynamo's cost, under their names there. */
export interface DynamoOptions {
  readonly prefillLoadScale: number;
  readonly overlapScoreCredit: number;
  /** 0: the cheapest; above: softmax over costs scaled to 0…1. */
  readonly temperature: number;
}

/** Defaults of lib/kv-router. */
export const dynamoDefaults: DynamoOptions = {
  prefillLoadScale: 1,
  overlapScoreCredit: 1,
  temperature: 0,
};

/**
 * cost = scale · max(active prefill blocks + the prompt's blocks − credit · overlap, 0) + active
 * decode blocks with the request. "Active" is what this router placed: prefill until the first
 * token, blocks of running sequences (a block that several share counts once) until the end.
 */
export class DynamoCost {
  readonly #context: PolicyContext;
  readonly #options: DynamoOptions;
  readonly #inFlight: InFlight;
  /** What the engines hold, from their KV events. */
  readonly #cached: CacheIndex;
  /** Chunks of running sequences. */
  readonly #active: CacheIndex;
  readonly #running = new Map<number, RoutedRequest>();
  readonly #overlap: Int32Array;
  readonly #activeOverlap: Int32Array;
  readonly #costs: Float64Array;
  /** Whose overlaps the two arrays hold. */
  #lookedAt: RoutedRequest | undefined;

  constructor(context: PolicyContext, options: DynamoOptions) {
    this.#context = context;
    this.#options = options;
    this.#inFlight = new InFlight(context.replicas);
    this.#cached = new CacheIndex(context.blocks);
    this.#active = new CacheIndex(context.blocks.map(() => Number.POSITIVE_INFINITY));
    this.#overlap = new Int32Array(context.replicas);
    this.#activeOverlap = new Int32Array(context.replicas);
    this.#costs = new Float64Array(context.replicas);
  }

  choose(request: RoutedRequest, replicas: readonly ReplicaView[]): number | "hold" {
    this.#look(request);
    const { temperature } = this.#options;
    if (temperature > 0) return this.#sample(request, replicas, temperature);
    return cheapest(replicas, this.#context.random, (replica) => this.#cost(request, replica));
  }

  /** Books a request where it was sent, by this cost or by somebody else's choice. */
  book(request: RoutedRequest, replica: number): void {
    if (this.#lookedAt !== request) this.#look(request);
    this.#lookedAt = undefined;
    const { chain, promptTokens } = request;
    const cached = this.#overlap[replica]! * chain.blockTokens;
    this.#inFlight.placed(request, replica, Math.max(1, promptTokens - cached));
    for (let chunk = 0; chunk < chunksOf(request); chunk++) {
      this.#active.add(replica, chunkKey(request, chunk));
    }
    this.#running.set(request.id, request);
  }

  onFirstToken(requestId: number): void {
    this.#inFlight.firstToken(requestId);
  }

  onEnded(requestId: number): void {
    const replica = this.#inFlight.ended(requestId);
    const request = this.#running.get(requestId);
    if (replica === undefined || request === undefined) return;
    this.#running.delete(requestId);
    for (let chunk = 0; chunk < chunksOf(request); chunk++) {
      this.#active.delete(replica, chunkKey(request, chunk));
    }
  }

  onCacheEvents(replica: number, events: readonly CacheEvent[]): void {
    applyCacheEvents(this.#cached, replica, events);
  }

  onReplicaLost(replica: number): void {
    this.#cached.clear(replica);
  }

  #look(request: RoutedRequest): void {
    this.#lookedAt = request;
    const { chain, promptTokens } = request;
    const blocks = Math.floor(promptTokens / chain.blockTokens);
    this.#cached.writeDepths((block) => chain.key(block), blocks, this.#overlap);
    this.#active.writeDepths(
      (chunk) => chunkKey(request, chunk),
      chunksOf(request),
      this.#activeOverlap,
    );
  }

  #cost({ chain, promptTokens }: RoutedRequest, replica: number): number {
    const { prefillLoadScale, overlapScoreCredit } = this.#options;
    const prefillBlocks =
      (this.#inFlight.prefillTokens[replica]! + promptTokens) / chain.blockTokens;
    const uncached = Math.max(0, prefillBlocks - overlapScoreCredit * this.#overlap[replica]!);
    const decodeBlocks =
      (this.#active.size(replica) - this.#activeOverlap[replica]!) * activeChunkBlocks +
      promptTokens / chain.blockTokens;
    return prefillLoadScale * uncached + decodeBlocks;
  }

  /** Softmax over −cost, costs scaled to the range between the cheapest and the dearest. */
  #sample(
    request: RoutedRequest,
    replicas: readonly ReplicaView[],
    temperature: number,
  ): number | "hold" {
    const healthy = replicas.filter((replica) => replica.healthy);
    for (const { index } of healthy) this.#costs[index] = this.#cost(request, index);
    const costs = healthy.map(({ index }) => this.#costs[index]!);
    const least = Math.min(...costs);
    const range = Math.max(...costs) - least || 1;
    const weights = costs.map((cost) => Math.exp((least - cost) / range / temperature));
    let rest = this.#context.random.next() * weights.reduce((sum, weight) => sum + weight, 0);
    for (const [position, weight] of weights.entries()) {
      rest -= weight;
      if (rest <= 0) return healthy[position]!.index;
    }
    return healthy.at(-1)?.index ?? "hold";
  }
}

function chunksOf({ chain, promptTokens }: RoutedRequest): number {
  return Math.floor(promptTokens / (chain.blockTokens * activeChunkBlocks));
}

function chunkKey({ chain }: RoutedRequest, chunk: number): number {
  return chain.key((chunk + 1) * activeChunkBlocks - 1);
}
