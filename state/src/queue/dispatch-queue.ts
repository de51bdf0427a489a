/**
 * The port to the dispatch queue: it tells workers what is ready. The record decides; a lost
 * message is sent again.
 */
import type { Dispatch, LaneName, TaskRef } from "../log/types.ts";

/** What to dispatch. */
export interface DispatchMessage {
  readonly ref: TaskRef;
  readonly lane: LaneName;
  /** Equal ids within a short window are one message. */
  readonly dedupeId: string;
}

/** Hands ready tasks to workers, by lane, at least once and in no promised order. */
export interface DispatchQueue {
  /**
   * Accepts messages. Rejects when the queue cannot be reached; nothing is lost then, the outbox
   * keeps them.
   */
  publish(messages: readonly DispatchMessage[]): Promise<void>;
  /**
   * Waits for a message in one of the lanes, an earlier lane first. Rejects with the signal's
   * reason on abort.
   */
  pull(lanes: readonly LaneName[], signal: AbortSignal): Promise<Dispatch>;
  /** Messages not yet acknowledged, by lane, from counters. */
  depth(): Promise<Record<LaneName, number>>;
  /** Throws when the queue cannot be reached. */
  ready(): Promise<void>;
  /** Ends connections. */
  close(): Promise<void>;
}
