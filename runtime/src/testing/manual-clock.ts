import type { Clock } from "../base/index.ts";

/** A clock that stands still until told otherwise. */
export interface ManualClock extends Clock {
  /**
   * Moves time forward and wakes, in order, those whose sleep ends; waits for what they do at once.
   */
  advance(ms: number): Promise<void>;
  /** How many sleep, for tests that wait until the code under test does. */
  readonly sleeperCount: number;
}

interface Sleeper {
  readonly wakeMs: number;
  readonly wake: () => void;
}

/** A clock for tests; starts at a fixed date so that stamps can be compared. */
export function createManualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let elapsedMs = 0;
  const sleepers = new Set<Sleeper>();
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    get sleeperCount() {
      return sleepers.size;
    },
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason);
          return;
        }
        const onAbort = () => {
          sleepers.delete(sleeper);
          reject(signal?.reason);
        };
        const sleeper: Sleeper = {
          wakeMs: elapsedMs + Math.max(0, ms),
          wake: () => {
            sleepers.delete(sleeper);
            signal?.removeEventListener("abort", onAbort);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
    async advance(ms) {
      const untilMs = elapsedMs + ms;
      for (;;) {
        const due = [...sleepers].filter((each) => each.wakeMs <= untilMs);
        const next = due.sort((a, b) => a.wakeMs - b.wakeMs)[0];
        if (next === undefined) {
          break;
        }
        elapsedMs = Math.max(elapsedMs, next.wakeMs);
        next.wake();
        await settle();
      }
      elapsedMs = untilMs;
      await settle();
    },
  };
}

/** Lets promise chains and immediates that are ready run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
