import { after, type Clock } from "@warmpath/runtime/base";
import type { BodySink } from "@warmpath/runtime/http1";

/** Decides when what was written of a stream leaves. */
export interface Flusher {
  flush(body: Pick<BodySink, "flush">): void;
}

/**
 * At once with `coalesceMs: 0`. Otherwise streams that have something to send wait for one common
 * timer, so that tokens of a fast engine leave several in one write; the timer runs only while
 * somebody waits.
 */
export function createFlusher(options: {
  readonly clock: Clock;
  readonly coalesceMs: number;
}): Flusher {
  const { clock, coalesceMs } = options;
  if (coalesceMs === 0) {
    return { flush: (body) => body.flush() };
  }
  let waiting = new Set<Pick<BodySink, "flush">>();
  const flushAll = (): void => {
    const due = waiting;
    waiting = new Set();
    for (const body of due) {
      body.flush();
    }
  };
  return {
    flush: (body) => {
      if (waiting.size === 0) {
        after(clock, coalesceMs, flushAll);
      }
      waiting.add(body);
    },
  };
}
