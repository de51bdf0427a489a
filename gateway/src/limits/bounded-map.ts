/** A map that holds at most `entriesMax` entries and forgets the least recently used first. */
export interface BoundedMap<K, V> {
  /** Also marks the entry as used. */
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  delete(key: K): void;
  clear(): void;
  entries(): Iterable<[K, V]>;
  readonly size: number;
}

/** Uses that a Map iterates in order of insertion: using an entry inserts it anew. */
export function createBoundedMap<K, V>(entriesMax: number): BoundedMap<K, V> {
  const map = new Map<K, V>();
  return {
    get(key) {
      const value = map.get(key);
      if (value !== undefined) {
        map.delete(key);
        map.set(key, value);
      }
      return value;
    },
    set(key, value) {
      map.delete(key);
      map.set(key, value);
      for (const oldest of map.keys()) {
        if (map.size <= entriesMax) {
          break;
        }
        map.delete(oldest);
      }
    },
    delete: (key) => void map.delete(key),
    clear: () => map.clear(),
    entries: () => map.entries(),
    get size() {
      return map.size;
    },
  };
}
