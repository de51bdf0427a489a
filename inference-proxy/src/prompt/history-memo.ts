/** Bytes that one checkpoint of a history covers. */
export const segmentBytes = 16_384;

/** What a scan has found in one segment of a history, and how it stood at the segment's end. */
export interface Checkpoint {
  /** The 64 bits that name everything up to the end of the segment, for one tenant. */
  readonly hash: bigint;
  readonly index: number;
  readonly depth: number;
  readonly isInString: boolean;
  /** Where the message begins that is open at the end, from the history's start; -1: none is. */
  readonly openedAt: number;
  /** The chain's state at the segment's end. */
  readonly chain: bigint;
  readonly chunkKeys: readonly number[];
  /** Of the messages that end in the segment, from the history's start. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly endKeys: readonly number[];
}

/** The checkpoints of the histories seen lately. */
export interface HistoryMemo {
  find(hash: bigint, index: number): Checkpoint | undefined;
  keep(checkpoint: Checkpoint): void;
  readonly bytes: number;
}

/** An entry with its lists empty. */
const entryBytes = 600;
const numberBytes = 8;

/**
 * Bounded in memory: the checkpoint unused longest goes first. Sessions that begin alike share
 * theirs.
 */
export function createHistoryMemo({ bytesMax }: { readonly bytesMax: number }): HistoryMemo {
  const checkpoints = new Map<number, Checkpoint>();
  let bytes = 0;
  return {
    find: (hash, index) => {
      const slot = Number(BigInt.asUintN(53, hash));
      const found = checkpoints.get(slot);
      if (found === undefined || found.hash !== hash || found.index !== index) return undefined;
      // Deleting first moves it to the end of the map's order: the first one is the oldest.
      checkpoints.delete(slot);
      checkpoints.set(slot, found);
      return found;
    },
    keep: (checkpoint) => {
      const slot = Number(BigInt.asUintN(53, checkpoint.hash));
      const replaced = checkpoints.get(slot);
      bytes += bytesOf(checkpoint) - (replaced === undefined ? 0 : bytesOf(replaced));
      checkpoints.delete(slot);
      checkpoints.set(slot, checkpoint);
      for (const [oldest, entry] of checkpoints) {
        if (bytes <= bytesMax) break;
        checkpoints.delete(oldest);
        bytes -= bytesOf(entry);
      }
    },
    get bytes() {
      return bytes;
    },
  };
}

function bytesOf({ chunkKeys, starts }: Checkpoint): number {
  return entryBytes + numberBytes * (chunkKeys.length + 3 * starts.length);
}
