import { HistoryIndex } from "@warmpath/inference-proxy/policy";
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

/** The proxy's history of prompts, by chunks of engine blocks and with a time to live. */
export class PromptHistory {
  readonly #options: HistoryOptions;
  readonly #index: HistoryIndex;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#index = new HistoryIndex(options.keysMax);
  }

  /** Keys remembered for one replica. */
  size(replica: number): number {
    return this.#index.size(replica);
  }

  /** Full chunks of a prompt: the keys that `record` remembers and `writeDepths` looks for. */
  chunksOf({ chain, promptTokens }: RoutedRequest): number {
    const { chunkBlocks, chunksMax = Number.POSITIVE_INFINITY } = this.#options;
    return Math.min(chunksMax, Math.floor(promptTokens / (chain.blockTokens * chunkBlocks)));
  }

  /** Writes how many leading chunks of the prompt each replica was sent before. */
  writeDepths(request: RoutedRequest, nowMs: number, depths: Int32Array): void {
    const { ttlMs } = this.#options;
    if (ttlMs !== undefined) this.#index.expire(nowMs - ttlMs);
    this.#index.writeDepths(this.#keyAt(request), this.chunksOf(request), 1, depths);
  }

  /** Remembers that the prompt was sent to the replica. */
  record(request: RoutedRequest, replica: number, nowMs: number): void {
    this.#index.record(replica, this.#keyAt(request), this.chunksOf(request), nowMs, false);
  }

  clear(replica: number): void {
    this.#index.clear(replica);
  }

  #keyAt({ chain }: RoutedRequest): (chunk: number) => BlockKey {
    const { chunkBlocks } = this.#options;
    // A chain's key stands for everything before it, so a chunk is known by its last block.
    return (chunk) => chain.key(chunk * chunkBlocks + chunkBlocks - 1);
  }
}
