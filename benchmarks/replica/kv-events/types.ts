import type { CacheEvent } from "../../engine/types.ts";

/** Where the changes of one replica's prefix cache go: in vLLM a ZeroMQ publisher. */
export interface CacheEventSink {
  /**
   * Takes the changes of one engine step, in order and never empty; call it before the requests
   * they name are forgotten. Must not throw and must not wait.
   */
  publish(events: readonly CacheEvent[], nowMs: number): void;
  /** What `GET /kv_event_sources` answers for this rank, in vLLM's field names. */
  describe(): Readonly<Record<string, unknown>>;
  /** Closes the sockets; what was published and not sent yet is lost. */
  close(): Promise<void>;
}

/** What a sink may ask about the requests that its events name. */
export interface StoredTokens {
  readonly blockTokens: number;
  /**
   * Token ids of `blockCount` full blocks of a live request from the block `firstBlock` on: prompt
   * first, then the answer. Empty for a request that is not known any more.
   */
  tokensOf(requestId: number, firstBlock: number, blockCount: number): readonly number[];
  /** The request's `cache_salt`. */
  saltOf(requestId: number): string | undefined;
  /**
   * The request's `session_id` or `X-Session-ID`; it labels the stored blocks and hashes nothing.
   */
  sessionOf(requestId: number): string | undefined;
  /**
   * Asked once for each batch: true where its live message shall be lost, as above a high-water
   * mark.
   */
  isLost(): boolean;
}

/**
 * Opens a sink for a replica that has just started: sequence numbers begin at 0 again. `settings`
 * is the replica's checked configuration, of which a sink reads its own options.
 */
export type OpenCacheEventSink<Settings> = (
  settings: Settings,
  stored: StoredTokens,
) => Promise<CacheEventSink>;
