import type { Clock } from "@warmpath/runtime/base";
import type { Vigil } from "../liveness/index.ts";

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
  /**
   * Calls `onDue` if `limitMs` pass without a touch; up to one tick late. Once, unless it returns a
   * number: milliseconds after which to call again.
   */
  watch(limitMs: number, onDue: () => unknown): Watch;
  close(): void;
}

/**
 * Looks at all watches every `tickMs`. One that throws is called again after its time, and told of:
 * it must not end the watch over all the others.
 */
export function createWatchdog(options: {
  readonly clock: Clock;
  readonly tickMs: number;
  readonly onFault?: (error: unknown) => void;
}): Watchdog {
  const { clock, tickMs, onFault } = options;
  const watches = new Set<WatchedThing>();
  const closed = new AbortController();

  const run = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      await clock.sleep(tickMs, closed.signal);
      const nowMs = clock.monotonicMs();
      for (const watch of watches) {
        try {
          if (nowMs - watch.sinceMs >= watch.limitMs && !look(watch, nowMs)) {
            watches.delete(watch);
          }
        } catch (error) {
          watch.sinceMs = nowMs;
          onFault?.(error);
        }
      }
    }
  };
  // The sleep rejects only when the watchdog is closed, and then there is nothing left to do.
  run().catch(() => undefined);

  return {
    watch: (limitMs, onDue) => {
      const watch = new WatchedThing(watches, clock, limitMs, onDue);
      watches.add(watch);
      return watch;
    },
    close: () => closed.abort(),
  };
}

class WatchedThing implements Watch {
  limitMs: number;
  sinceMs: number;
  readonly onDue: () => unknown;
  readonly #all: Set<WatchedThing>;
  readonly #clock: Clock;

  constructor(all: Set<WatchedThing>, clock: Clock, limitMs: number, onDue: () => unknown) {
    this.#all = all;
    this.#clock = clock;
    this.limitMs = limitMs;
    this.sinceMs = clock.monotonicMs();
    this.onDue = onDue;
  }

  touch(): void {
    this.sinceMs = this.#clock.monotonicMs();
  }

  pause(): void {
    this.sinceMs = Number.POSITIVE_INFINITY;
  }

  stop(): void {
    this.#all.delete(this);
  }
}

/** True when the watch goes on. */
function look(watch: WatchedThing, nowMs: number): boolean {
  const moreMs = watch.onDue();
  if (typeof moreMs !== "number" || moreMs <= 0) {
    return false;
  }
  watch.limitMs = moreMs;
  watch.sinceMs = nowMs;
  return true;
}

/** Looks at a request as often as its vigil asks for; `onGivenUp` says how long it was silent. */
export function watchVigil(
  watchdog: Watchdog,
  vigil: Vigil,
  onGivenUp: (silentMs: number) => void,
): Watch {
  return watchdog.watch(vigil.check(), () => {
    const moreMs = vigil.check();
    if (moreMs === 0) {
      onGivenUp(vigil.silentMs);
    }
    return moreMs;
  });
}
