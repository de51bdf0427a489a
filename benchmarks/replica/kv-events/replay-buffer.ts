/** The last batches of a publisher, for subscribers that missed some. */
export interface ReplayBuffer {
  /** Keeps a batch; the oldest gives way. Sequence numbers must rise. */
  add(sequence: number, payload: Uint8Array): void;
  /** Kept batches from `start` on, in order. */
  from(start: bigint): readonly { readonly sequence: number; readonly payload: Uint8Array }[];
}

/** Keeps the last `batchesMax` batches. */
export function createReplayBuffer(batchesMax: number): ReplayBuffer {
  let batches: { sequence: number; payload: Uint8Array }[] = [];
  return {
    add(sequence, payload) {
      batches.push({ sequence, payload });
      // Given back in large pieces: one batch more must not move all others.
      if (batches.length >= 2 * batchesMax) batches = batches.slice(-batchesMax);
    },
    from(start) {
      return batches.slice(-batchesMax).filter(({ sequence }) => BigInt(sequence) >= start);
    },
  };
}
