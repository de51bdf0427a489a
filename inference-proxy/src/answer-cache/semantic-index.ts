/*
 * Questions by meaning. Only questions of one group (equal surroundings of one tenant, by one
 * embedding model) are ever compared, so a search is a walk over a short list.
 */

/** A stored question that is near another. */
export interface Near {
  /** Key of the answer. */
  readonly key: string;
  /** Cosine of the angle between the two, from -1 to 1. */
  readonly similarity: number;
}

/** Questions whose answers are stored. */
export interface SemanticIndex {
  /** The nearest question of the group whose answer is still there. */
  nearest(
    group: string,
    vector: Float32Array,
    isStored: (key: string) => boolean,
  ): Near | undefined;
  add(group: string, vector: Float32Array, key: string): void;
  readonly count: number;
}

interface Entry {
  readonly vector: Float32Array;
  readonly key: string;
}

/** Questions of one group: a search costs about half a millisecond at 1,024 components. */
const groupEntriesMax = 256;

/** Bounded in entries: those of the group that was used longest ago go first. */
export function createSemanticIndex({
  entriesMax,
}: {
  readonly entriesMax: number;
}): SemanticIndex {
  const groups = new Map<string, Entry[]>();
  let count = 0;

  const touch = (name: string, entries: Entry[]): void => {
    groups.delete(name);
    if (entries.length > 0) {
      groups.set(name, entries);
    }
  };

  const shrink = (): void => {
    for (const [name, entries] of groups) {
      if (count <= entriesMax) {
        return;
      }
      const excess = Math.min(entries.length, count - entriesMax);
      entries.splice(0, excess);
      count -= excess;
      if (entries.length === 0) {
        groups.delete(name);
      }
    }
  };

  return {
    nearest: (name, vector, isStored) => {
      const entries = groups.get(name);
      if (entries === undefined) {
        return undefined;
      }
      const stored = entries.filter(({ key }) => isStored(key));
      count -= entries.length - stored.length;
      touch(name, stored);
      let best: Near | undefined;
      for (const { key, vector: other } of stored) {
        const similarity = cosine(vector, other);
        if (best === undefined || similarity > best.similarity) {
          best = { key, similarity };
        }
      }
      return best;
    },
    add: (name, vector, key) => {
      const before = groups.get(name) ?? [];
      const entries = before.filter((entry) => entry.key !== key).slice(1 - groupEntriesMax);
      entries.push({ vector, key });
      count += entries.length - before.length;
      touch(name, entries);
      shrink();
    },
    get count() {
      return count;
    },
  };
}

/** Cosine of two vectors; -1 where they cannot be compared. */
function cosine(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) {
    return -1;
  }
  let dot = 0;
  let aSquared = 0;
  let bSquared = 0;
  for (let index = 0; index < a.length; index += 1) {
    const x = a[index] ?? 0;
    const y = b[index] ?? 0;
    dot += x * y;
    aSquared += x * x;
    bSquared += y * y;
  }
  const lengths = Math.sqrt(aSquared * bSquared);
  return lengths > 0 ? dot / lengths : -1;
}
