import type { CacheEvent } from "../../engine/types.ts";

/** Wire form of the events: `map` is what 0.32 sends, `array` what engines before it sent. */
export type EventFormat = "map" | "array";

/** Block hashes on the wire: the digest's low 64 bits as an unsigned integer, or all 32 bytes. */
export type HashFormat = "int" | "bytes";

/** A LoRA adapter as the events and the hashes name it. */
export interface LoraIdentity {
  readonly id: number;
  readonly name: string;
  readonly path: string;
}

/** What a run of blocks of one request holds. */
export interface BlockContents {
  /** `count × blockTokens` token ids. */
  readonly tokenIds: readonly number[];
  /** The request's `cache_salt`; it enters the hash of block 0 only. */
  readonly cacheSalt?: string | undefined;
  readonly lora?: LoraIdentity | undefined;
  /** `session_id` or `X-Session-ID`: published with the event, no part of the hash. */
  readonly sessionId?: string | undefined;
}

/**
 * Looks up the tokens of `count` full blocks of a request, from block `firstBlock`. Called inside
 * `publish`, so the request is still known; an answer's tokens may be among them.
 */
export type BlockOf = (requestId: number, firstBlock: number, count: number) => BlockContents;

/** How events are published; the names and defaults are vLLM's `--kv-events-config`. */
export interface KvEventsSettings {
  /** As vLLM reads it: `ipc://…` and wildcards (`tcp://*:5557`) bind, any other address connects. */
  readonly endpoint: string;
  /** Address of the replay socket, always bound; undefined: no replay. */
  readonly replayEndpoint?: string | undefined;
  /** First frame of each message; default empty. */
  readonly topic?: string;
  readonly format?: EventFormat;
  readonly hash?: HashFormat;
  /** Batches kept for replay; default 10,000. */
  readonly bufferSteps?: number;
  /** Messages queued for one slow subscriber before new ones are dropped; default 100,000. */
  readonly hwm?: number;
  /** `PYTHONHASHSEED` of the modelled engine; default vLLM's constant for SHA-256 hashes. */
  readonly hashSeed?: string;
}

/** Losses on demand. They take effect with the next batch. */
export interface KvEventsFaults {
  /** Share of batches that no subscriber gets, 0 to 1; their sequence numbers are used up. */
  setDropRate(rate: number): void;
  /** Drops the next `batches` batches. */
  dropNext(batches: number): void;
  /**
   * Most batches in one answer to a replay request; it then stops without the end marker, as 0.32
   * does when many batches are asked for. Infinity switches the fault off.
   */
  setReplayBatchesMax(batches: number): void;
  /** True: dropped batches are missing from the replay buffer too, as after a restart. */
  setForgetsDropped(forgets: boolean): void;
}

/** Counts since the start. */
export interface KvEventsCounts {
  /** Batches made, which is also the next sequence number. */
  readonly batches: number;
  /** Batches lost by fault. */
  readonly dropped: number;
  /** Messages that slow subscribers did not get because their queue was full. */
  readonly overflowed: number;
  readonly subscribers: number;
  readonly replayed: number;
}

/** One entry of `GET /kv_event_sources`; the answer is an object of these by data-parallel rank. */
export interface KvEventSource {
  readonly enable_kv_cache_events: boolean;
  readonly publisher: "zmq";
  readonly endpoint: string;
  readonly replay_endpoint: string | null;
  readonly buffer_steps: number;
  readonly hwm: number;
  readonly max_queue_size: number;
  readonly topic: string;
}

/** The event publisher of one replica. Made by `createKvEvents` in `./index.ts`. */
export interface KvEventsPublisher {
  /**
   * Sends one batch: call it from the engine's `onCacheEvents`, so once per step and before the
   * step's compute. `nowMs` is wall-clock time since 1970. A lone `cleared` waits for the next
   * batch, as in vLLM, which publishes only when it steps.
   */
  publish(events: readonly CacheEvent[], nowMs: number): void;
  /** Body of `GET /kv_event_sources`. */
  sources(): Readonly<Record<string, KvEventSource>>;
  readonly faults: KvEventsFaults;
  readonly counts: KvEventsCounts;
  /** Closes the sockets; what subscribers have not read is lost. */
  close(): Promise<void>;
}

/** What the publisher needs from the replica. */
export interface KvEventsDeps {
  readonly settings: KvEventsSettings;
  readonly blockTokens: number;
  readonly blockOf: BlockOf;
  /** Uniform in [0, 1), for the drop rate. */
  readonly random: () => number;
}
