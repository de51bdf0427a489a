import { RecentKeys, ReplicaSets } from "@warmpath/inference-proxy/policy";
import type { BlockKey } from "../../../engine/types.ts";
import type { RoutedRequest } from "../../types.ts";

/** How a history index is bounded. */
export interface HistoryOptions {
  /**
   * Engine blocks that one key of the index stands for: a coarse index is small and fast, and
   * misses at most so many blocks of a match.
   */
  readonly chunkBlocks: number;
  /** Longer prompts are looked at up to so many chunks; default: all of them. */
  readonly chunksMax?: number;
  /** Least recently used keys beyond this are forgotten, for each replica. */
  readonly keysMax: readonly number[];
  /** Keys not used for so long are forgotten; default: never. */
  readonly ttlMs?: number;
}

/**
 * What a router believes to be cached, from its own decisions alone: the prompt of every request it
 * sent to a replica, bounded by least recent use and by age. Nobody tells it of evictions.
 */
export class HistoryIndex {
  readonly #options: HistoryOptions;
  readonly #sets: ReplicaSets;
  readonly #recent: RecentKeys[];

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#sets = new ReplicaSets(options.keysMax.length);
    this.#recent = options.keysMax.map(() => new RecentKeys());
  }

  /** Keys remembered for one replica. */
  size(replica: number): number {
    return this.#recent[replica]!.size;
  }

  /** Full chunks of a prompt: the keys that `record` remembers and `writeDepths` looks for. */
  chunksOf({ chain, promptTokens }: RoutedRequest): number {
    const { chunkBlocks, chunksMax = Number.POSITIVE_INFINITY } = this.#options;
    return Math.min(chunksMax, Math.floor(promptTokens / (chain.blockTokens * chunkBlocks)));
  }

  /** Writes how many leading chunks of the prompt each replica was sent before. */
  writeDepths(request: RoutedRequest, nowMs: number, depths: Int32Array): void {
    if (this.#options.ttlMs !== undefined) this.#expire(nowMs - this.#options.ttlMs);
    this.#sets.writeDepths(this.#keyAt(request), this.chunksOf(request), 1, depths);
  }

  /** Remembers that the prompt was sent to the replica. */
  record(request: RoutedRequest, replica: number, nowMs: number): void {
    const recent = this.#recent[replica]!;
    const keyAt = this.#keyAt(request);
    const chunks = this.chunksOf(request);
    for (let chunk = 0; chunk < chunks; chunk++) {
      const key = keyAt(chunk);
      if (recent.touch(key, nowMs)) this.#sets.add(key, replica);
    }
    while (recent.size > this.#options.keysMax[replica]!) this.#forgetOldest(replica);
  }

  clear(replica: number): void {
    for (const key of this.#recent[replica]!.keys()) this.#sets.delete(key, replica);
    this.#recent[replica] = new RecentKeys();
  }

  #keyAt({ chain }: RoutedRequest): (chunk: number) => BlockKey {
    const { chunkBlocks } = this.#options;
    // A chain's key stands for everything before it, so a chunk is known by its last block.
    return (chunk) => chain.key(chunk * chunkBlocks + chunkBlocks - 1);
  }

  #expire(beforeMs: number): void {
    for (const [replica, recent] of this.#recent.entries()) {
      while ((recent.oldest?.usedAtMs ?? beforeMs) < beforeMs) this.#forgetOldest(replica);
    }
  }

  #forgetOldest(replica: number): void {
    const recent = this.#recent[replica]!;
    const { oldest } = recent;
    if (oldest === undefined) return;
    recent.delete(oldest.key);
    this.#sets.delete(oldest.key, replica);
  }
}
