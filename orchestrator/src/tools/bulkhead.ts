/**
 * Bounds how many calls one integration has under way, so that a slow one cannot hold every run of
 * a worker.
 */
export interface Bulkhead {
  /** Waits for a place (or for the signal), runs, and gives the place back. */
  run<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

interface Room {
  used: number;
  readonly waiting: Set<() => void>;
}

/** Places per key; waiters are bounded by the runs of the worker, and leave with their signal. */
export function createBulkhead(placesMax: number): Bulkhead {
  const rooms = new Map<string, Room>();
  return {
    async run(key, signal, work) {
      const room = rooms.get(key) ?? { used: 0, waiting: new Set() };
      rooms.set(key, room);
      if (room.used >= placesMax) await placeIn(room, signal);
      room.used += 1;
      try {
        return await work();
      } finally {
        room.used -= 1;
        const [next] = room.waiting;
        if (next) next();
        else if (room.used === 0) rooms.delete(key);
      }
    },
  };
}

function placeIn(room: Room, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const leave = () => {
    room.waiting.delete(enter);
    reject(signal.reason);
  };
  const enter = () => {
    room.waiting.delete(enter);
    signal.removeEventListener("abort", leave);
    resolve();
  };
  if (signal.aborted) return Promise.reject(signal.reason);
  room.waiting.add(enter);
  signal.addEventListener("abort", leave, { once: true });
  return promise;
}
