/**
 * A block's name: the low 64 bits of its hash as an unsigned integer. Engines send integers, signed
 * or not, or whole digests; equal blocks get equal names whichever it was.
 */
export type BlockHash = bigint;

/** Blocks came into a cache, in the order of their chain. */
export interface BlocksStored {
  readonly type: "stored";
  readonly hashes: readonly BlockHash[];
  /** The block before the first; undefined where the first begins a chain. */
  readonly parent: BlockHash | undefined;
  readonly tokenIds: readonly number[];
  readonly blockTokens: number;
  readonly loraId: number | undefined;
  readonly loraName: string | undefined;
  /** Where the cache is, such as "GPU"; undefined: not said. */
  readonly medium: string | undefined;
  /**
   * For each block what entered its hash beside its tokens: salts, adapters, digests of images.
   * Undefined where the engine does not say.
   */
  readonly extraKeys: readonly (readonly unknown[] | undefined)[] | undefined;
  /** Group of layers with a cache of their own; 0 where there is one. */
  readonly group: number | undefined;
  readonly specKind: string | undefined;
  readonly slidingWindow: number | undefined;
  readonly sessionId: string | undefined;
}

/** One copy of each of these blocks left a cache. A block that was stored twice has two copies. */
export interface BlocksRemoved {
  readonly type: "removed";
  readonly hashes: readonly BlockHash[];
  readonly medium: string | undefined;
  readonly group: number | undefined;
}

/** The cache was emptied. */
export interface CacheCleared {
  readonly type: "cleared";
}

/** A change of one engine's prefix cache. */
export type KvEvent = BlocksStored | BlocksRemoved | CacheCleared;

/** What one engine step changed. */
export interface KvBatch {
  /** When, by the engine's clock, in ms since 1970. */
  readonly atMs: number;
  readonly events: readonly KvEvent[];
  /** Data-parallel rank; undefined: not said. */
  readonly rank: number | undefined;
  /** Events of a kind that is not known here; they were left out. */
  readonly unknownEvents: number;
}

/** One message of an event stream. */
export interface KvMessage {
  readonly topic: string;
  /** Rises by one from message to message; a gap is a loss, a fall a restart. */
  readonly sequence: number;
  readonly batch: KvBatch;
}

/** What engines say about their caches, in our keys; placement takes it in. Must not throw. */
export interface CacheNews {
  /** The replica holds these keys now; one that it stores twice is told once. */
  stored(replica: string, keys: readonly number[]): void;
  /** The last copy of these keys is gone. */
  removed(replica: string, keys: readonly number[]): void;
  /** The replica holds nothing any more. */
  cleared(replica: string): void;
  /** What it holds is not known any more: nothing of what was told counts. */
  forgotten(replica: string): void;
  /**
   * False: the stream stalled, has a gap, or was found wrong; the approximate index takes over by
   * itself.
   */
  trusted(replica: string, isTrusted: boolean): void;
}
