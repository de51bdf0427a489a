/**
 * The port to hot state: small copies that may vanish at any time and are rebuilt from the record.
 */

/** A copy with the sequence number that it stands for. */
export interface HotValue {
  readonly seq: bigint;
  readonly bytes: Uint8Array;
}

/** Hot copies. Every entry lapses after its `ttlMs`; losing one costs latency, never work. */
export interface HotStore {
  /** The copy under the key, unless it lapsed. */
  get(key: string): Promise<HotValue | undefined>;
  /**
   * Stores the copy unless one with a higher sequence number is there. Returns whether it was
   * stored.
   */
  setIfNewer(key: string, value: HotValue, ttlMs: number): Promise<boolean>;
  /**
   * Appends to the copy when `seq` is the stored one and `offset` its length. A higher `seq` with
   * offset 0 starts anew. Refused (false): an older `seq`, a gap or overlap, or a result longer
   * than `sizeMaxBytes`.
   */
  append(key: string, piece: HotPiece): Promise<boolean>;
  /** Forgets the copy. */
  delete(key: string): Promise<void>;
  /** Throws when the store cannot be reached. */
  ready(): Promise<void>;
  /** Ends connections. */
  close(): Promise<void>;
}

/** A piece for `HotStore.append`. */
export interface HotPiece {
  readonly seq: bigint;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly sizeMaxBytes: number;
  readonly ttlMs: number;
}
