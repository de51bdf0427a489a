import type { Clock } from "@warmpath/runtime/base";

/** One thing that must happen in time. */
export interface Watch {
  /** It happened, or is waited for again: the time starts anew. */
  touch(): void;
  /** Nobody waits for it now: the time stands still until the next touch. */
  pause(): void;
  /** It need not happen any more. */
  stop(): void;
}

/** One timer for everything that waits, instead of one per request or per chunk. */
export interface Watchdog {
  /** Calls `onDue` once if `limitMs` pass without a touch; up to one tick late. */
  watch(limitMs: number, onDue: () => void): Watch;
  close(): void;
}

/** Looks at all watches every `tickMs`. */
export function createWatchdog(options: {
  readonly clock: Clock;
  readonly tickMs: number;
}): Watchdog {
  const { clock, tickMs } = options;
  const watches = new Set<{ limitMs: number; sinceMs: number; onDue: () => void }>();
  const closed = new AbortController();

  const run = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      await clock.sleep(tickMs, closed.signal);
      const nowMs = clock.monotonicMs();
      for (const watch of watches) {
        if (nowMs - watch.sinceMs >= watch.limitMs) {
          watches.delete(watch);
          watch.onDue();
        }
      }
    }
  };
  // The sleep rejects only when the watchdog is closed, and then there is nothing left to do.
  run().catch(() => undefined);

  return {
    watch: (limitMs, onDue) => {
      const watch = { limitMs, sinceMs: clock.monotonicMs(), onDue };
      watches.add(watch);
      return {
        touch: () => {
          watch.sinceMs = clock.monotonicMs();
        },
        pause: () => {
          watch.sinceMs = Number.POSITIVE_INFINITY;
        },
        stop: () => {
          watches.delete(watch);
        },
      };
    },
    close: () => closed.abort(),
  };
}
