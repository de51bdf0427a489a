import type { SessionTurn } from "./types.ts";

/** What is accounted of one session. */
export interface Session {
  /** Where it is admitted; undefined before that, and once it was given up. */
  home: number | undefined;
  keys: ArrayLike<number>;
  /** Leading keys of `keys` that are owned at home. */
  chunks: number;
  /** Of the last prompt that ended, as the engine counted them; 0 before that. */
  promptTokens: number;
  /** Leading keys of that prompt. */
  promptChunks: number;
  /** About the tokens at home that only this session owns. */
  uniqueTokens: number;
  /** Turns under way. */
  running: number;
  /** Undefined while a turn is under way. */
  resting: Rest | undefined;
  isDisplaced: boolean;
  /** True once it has had a second turn. */
  hasComeBack: boolean;
  /** What of `uniqueTokens` is not counted on, as its return is uncertain. */
  discountTokens: number;
}

/** The time between two turns. */
export interface Rest {
  readonly kind: string;
  readonly sinceMs: number;
  /** When a next turn asked for its place; it may still leave without having had one. */
  askedAtMs: number | undefined;
  isGone: boolean;
}

/** An engine recomputes at least the last block of a prompt; few have larger ones. */
const blockTokensMax = 64;

/** Of which nothing is known yet. */
export function newSession(): Session {
  return {
    home: undefined,
    keys: [],
    chunks: 0,
    promptTokens: 0,
    promptChunks: 0,
    uniqueTokens: 0,
    running: 0,
    resting: undefined,
    isDisplaced: false,
    hasComeBack: false,
    discountTokens: 0,
  };
}

/**
 * Tokens that a turn should find where its session's last prompt was answered: in the engine's own
 * count of that prompt, since what we make of bytes is an estimate.
 */
export function expectedOf(
  { promptTokens, promptChunks }: Session,
  commonChunks: number,
  chunkTokens: number,
): number {
  if (promptChunks === 0) {
    return 0;
  }
  const common = promptTokens * Math.min(1, commonChunks / promptChunks);
  return Math.max(0, common - chunkTokens - blockTokensMax);
}

/** Leading chunks that the turn has in common with the session's last. Keys are chained. */
export function commonPrefix({ keys, chunks }: Session, turn: SessionTurn): number {
  let low = 0;
  let high = Math.min(chunks, turn.chunks);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (keys[middle - 1] === turn.keys[middle - 1]) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}
