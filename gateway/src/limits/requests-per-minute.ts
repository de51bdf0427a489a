import type { Clock } from "@warmpath/runtime/base";
import { createBoundedMap } from "./bounded-map.ts";

/** Counts each key's requests and says when one too many was made. */
export interface RequestLimiter {
  /**
   * Counts one request: 0 when it may go on, else the milliseconds after which one more may be
   * made.
   */
  charge(keyId: string, requestsPerMinuteMax: number): number;
}

const slotMs = 1000;

/**
 * A ring of one-second slots per key, covering the minute behind the current slot:
 *
 * ```
 *   slot of second s is counts[s % 61] │ oldest (now - 60) … now
 * ```
 *
 * So no span of 60 s ever holds more than the limit, wherever it begins, and a refused request is
 * not counted.
 */
const slots = 61;

interface Window {
  readonly counts: Uint32Array;
  /** Second of the newest slot. */
  second: number;
  total: number;
}

/**
 * `keysMax` bounds memory: the least recently used key is forgotten first and begins a fresh
 * minute.
 */
export function createRequestLimiter(options: { clock: Clock; keysMax: number }): RequestLimiter {
  const windows = createBoundedMap<string, Window>(options.keysMax);
  return {
    charge(keyId, requestsPerMinuteMax) {
      if (requestsPerMinuteMax === 0) {
        return 0;
      }
      const nowMs = options.clock.monotonicMs();
      const second = Math.floor(nowMs / slotMs);
      let window = windows.get(keyId);
      if (window === undefined) {
        window = { counts: new Uint32Array(slots), second, total: 0 };
        windows.set(keyId, window);
      }
      moveTo(window, second);
      if (window.total >= requestsPerMinuteMax) {
        return waitMs(window, requestsPerMinuteMax, nowMs);
      }
      window.counts[second % slots] = (window.counts[second % slots] ?? 0) + 1;
      window.total += 1;
      return 0;
    },
  };
}

/** Empties the slots that fell out of the minute. */
function moveTo(window: Window, second: number): void {
  const steps = Math.min(second - window.second, slots);
  for (let step = 1; step <= steps; step += 1) {
    const index = (window.second + step) % slots;
    window.total -= window.counts[index] ?? 0;
    window.counts[index] = 0;
  }
  window.second = Math.max(window.second, second);
}

/** Until enough of the oldest slots have fallen out to leave room for one. */
function waitMs(window: Window, requestsPerMinuteMax: number, nowMs: number): number {
  let left = window.total;
  for (let second = window.second - slots + 1; second <= window.second; second += 1) {
    left -= window.counts[((second % slots) + slots) % slots] ?? 0;
    if (left < requestsPerMinuteMax) {
      return Math.max(1, Math.ceil((second + slots) * slotMs - nowMs));
    }
  }
  return slots * slotMs;
}
