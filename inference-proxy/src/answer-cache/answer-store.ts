import type { Clock } from "@warmpath/runtime/base";
import type { AnswerStoreLimits, StoredAnswer } from "./types.ts";

/** A stored answer and its age. */
export interface Found {
  readonly answer: StoredAnswer;
  readonly ageMs: number;
}

/** Finished answers by the key of their request, in this process. */
export interface AnswerStore {
  find(key: string): Found | undefined;
  /** True while it would be found; using it this way does not make it younger. */
  has(key: string): boolean;
  /**
   * Keeps it, in place of the one that was used longest ago; false where it is too long. `ageMs`:
   * how old it is already, where it is another proxy's.
   */
  keep(key: string, answer: StoredAnswer, ageMs?: number): boolean;
  readonly bytes: number;
  readonly count: number;
}

interface Entry {
  readonly answer: StoredAnswer;
  readonly bytes: number;
  readonly keptAtMs: number;
}

/** What an entry takes beside its answer: key, objects, and its place in the map. */
export const entryOverheadBytes = 512;

/** Bounded in bytes and in age; a Map's order is the order of last use. */
export function createAnswerStore(options: {
  readonly clock: Clock;
  readonly limits: AnswerStoreLimits;
}): AnswerStore {
  const { clock, limits } = options;
  const entries = new Map<string, Entry>();
  let bytes = 0;

  const remove = (key: string, entry: Entry): void => {
    entries.delete(key);
    bytes -= entry.bytes;
  };

  const fresh = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry !== undefined && clock.monotonicMs() - entry.keptAtMs >= limits.answerCacheTtlMs) {
      remove(key, entry);
      return undefined;
    }
    return entry;
  };

  return {
    find: (key) => {
      const entry = fresh(key);
      if (entry === undefined) {
        return undefined;
      }
      entries.delete(key);
      entries.set(key, entry);
      return { answer: entry.answer, ageMs: clock.monotonicMs() - entry.keptAtMs };
    },
    has: (key) => fresh(key) !== undefined,
    keep: (key, answer, ageMs = 0) => {
      const size = answer.bytes.length + entryOverheadBytes;
      if (
        answer.bytes.length > limits.answerCacheAnswerBytesMax ||
        size > limits.answerCacheBytesMax
      ) {
        return false;
      }
      const known = entries.get(key);
      if (known !== undefined) {
        remove(key, known);
      }
      entries.set(key, { answer, bytes: size, keptAtMs: clock.monotonicMs() - ageMs });
      bytes += size;
      for (const [oldest, entry] of entries) {
        if (bytes <= limits.answerCacheBytesMax) {
          break;
        }
        remove(oldest, entry);
      }
      return true;
    },
    get bytes() {
      return bytes;
    },
    get count() {
      return entries.size;
    },
  };
}
