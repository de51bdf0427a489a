import type { CancelSignal } from "./cancel.ts";
/** The only source of time and of waiting, so that tests and the simulator can own both. */
export interface Clock {
  /**
   * Wall-clock time in milliseconds since 1970; may jump. For stamps that people or other machines
   * read.
   */
  nowMs(): number;
  /**
   * Time that only moves forward, in milliseconds from an arbitrary start. For durations and
   * deadlines.
   */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with `signal.reason` as soon as the signal aborts. */
  sleep(ms: number, signal?: CancelSignal): Promise<void>;
}

/** Timers of the platform overflow above this; longer sleeps are cut into pieces of it. */
const maxTimerMs = 2 ** 31 - 1;

/** Real time. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  // Under Bun half the price of performance.now(), which a request asks twenty times.
  monotonicMs: typeof Bun === "undefined" ? () => performance.now() : () => Bun.nanoseconds() / 1e6,
  sleep,
};

async function sleep(ms: number, signal?: CancelSignal): Promise<void> {
  let leftMs = ms;
  while (leftMs > maxTimerMs) {
    await sleepOnce(maxTimerMs, signal);
    leftMs -= maxTimerMs;
  }
  await sleepOnce(leftMs, signal);
}

function sleepOnce(ms: number, signal: CancelSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(
      () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
      Math.max(0, ms),
    );
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Calls `action` after `ms` unless cancelled first; for closing and killing, not for waiting. */
export function after(clock: Clock, ms: number, action: () => void): { cancel(): void } {
  const cancelled = new AbortController();
  clock.sleep(ms, cancelled.signal).then(action, () => undefined);
  return { cancel: () => cancelled.abort() };
}

/**
 * A signal that aborts with a `TimeoutError` after `ms`. Call `cancel` when the work is done, or
 * the timer keeps running.
 */
export function timeoutSignal(clock: Clock, ms: number): { signal: AbortSignal; cancel(): void } {
  const timedOut = new AbortController();
  const timer = after(clock, ms, () => {
    timedOut.abort(new DOMException(`timed out after ${ms} ms`, "TimeoutError"));
  });
  return { signal: timedOut.signal, cancel: timer.cancel };
}
