import type { Clock } from "@warmpath/runtime/base";
import type { HotStore, HotValue } from "./hot-store.ts";

interface Entry extends HotValue {
  readonly expiresMs: number;
}

/**
 * Copies kept at once; the oldest written goes first. 10,000 answers in progress are far above one
 * process's load.
 */
const entriesMaxDefault = 10_000;

/** The hot store inside the process. */
export function createMemoryHot(clock: Clock, entriesMax = entriesMaxDefault): HotStore {
  const entries = new Map<string, Entry>();
  const live = (key: string): Entry | undefined => {
    const entry = entries.get(key);
    if (entry !== undefined && entry.expiresMs <= clock.monotonicMs()) {
      entries.delete(key);
      return undefined;
    }
    return entry;
  };
  const put = (key: string, seq: bigint, bytes: Uint8Array, ttlMs: number) => {
    // Deleted first, so that the map's order is the order of writing.
    entries.delete(key);
    entries.set(key, { seq, bytes, expiresMs: clock.monotonicMs() + ttlMs });
    if (entries.size > entriesMax) {
      const oldest = entries.keys().next();
      if (oldest.done !== true) {
        entries.delete(oldest.value);
      }
    }
  };
  return {
    async get(key) {
      const entry = live(key);
      return entry === undefined ? undefined : { seq: entry.seq, bytes: entry.bytes };
    },
    async setIfNewer(key, value, ttlMs) {
      const entry = live(key);
      if (entry !== undefined && entry.seq > value.seq) {
        return false;
      }
      put(key, value.seq, value.bytes, ttlMs);
      return true;
    },
    async append(key, piece) {
      const entry = live(key);
      const isSame = entry?.seq === piece.seq;
      const isNew = piece.offset === 0 && (entry === undefined || entry.seq < piece.seq);
      const before = isSame ? entry.bytes : new Uint8Array();
      if (!(isNew || (isSame && piece.offset === before.length))) {
        return false;
      }
      if (before.length + piece.bytes.length > piece.sizeMaxBytes) {
        return false;
      }
      put(key, piece.seq, Buffer.concat([before, piece.bytes]), piece.ttlMs);
      return true;
    },
    async delete(key) {
      entries.delete(key);
    },
    ready: async () => undefined,
    close: async () => entries.clear(),
  };
}
