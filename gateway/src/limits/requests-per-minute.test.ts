import { describe, expect, test } from "bun:test";
import { type Clock, seededRandom } from "@warmpath/runtime/base";
import { createRequestLimiter } from "./requests-per-minute.ts";

function clockAt(start: number): Clock & { at: number } {
  const clock = {
    at: start,
    nowMs: () => clock.at,
    monotonicMs: () => clock.at,
    sleep: () => Promise.reject(new Error("not used")),
  };
  return clock;
}

describe("request limiter", () => {
  test("admits the limit, refuses the next, and says when it may be repeated", () => {
    const clock = clockAt(5_400);
    const limiter = createRequestLimiter({ clock, keysMax: 10 });
    expect([1, 2, 3].map(() => limiter.charge("key_a", 3))).toEqual([0, 0, 0]);
    const waitMs = limiter.charge("key_a", 3);
    expect(waitMs).toBeGreaterThan(59_000);
    expect(waitMs).toBeLessThanOrEqual(61_000);
    clock.at += waitMs - 1;
    expect(limiter.charge("key_a", 3)).toBeGreaterThan(0);
    clock.at += 1;
    expect(limiter.charge("key_a", 3)).toBe(0);
  });

  test("keeps every key's count apart, and 0 means no limit", () => {
    const limiter = createRequestLimiter({ clock: clockAt(0), keysMax: 10 });
    expect(limiter.charge("key_a", 1)).toBe(0);
    expect(limiter.charge("key_b", 1)).toBe(0);
    expect(limiter.charge("key_a", 1)).toBeGreaterThan(0);
    expect(limiter.charge("key_a", 0)).toBe(0);
  });

  test("no span of a minute holds more than the limit, and waiting as told always helps", () => {
    const random = seededRandom("minute");
    const clock = clockAt(1_000_000.5);
    const limiter = createRequestLimiter({ clock, keysMax: 10 });
    const admitted: number[] = [];
    let refused = 0;
    for (let round = 0; round < 5_000; round += 1) {
      clock.at += random.next() < 0.05 ? random.next() * 30_000 : random.next() * 200;
      const waitMs = limiter.charge("key_a", 40);
      if (waitMs === 0) {
        admitted.push(clock.at);
      } else {
        refused += 1;
        if (random.next() < 0.02) {
          clock.at += waitMs;
          expect(limiter.charge("key_a", 40)).toBe(0);
          admitted.push(clock.at);
        }
      }
    }
    expect(refused).toBeGreaterThan(100);
    for (let index = 40; index < admitted.length; index += 1) {
      expect((admitted[index] ?? 0) - (admitted[index - 40] ?? 0)).toBeGreaterThanOrEqual(60_000);
    }
  });

  test("forgets the least recently used key beyond its bound", () => {
    const limiter = createRequestLimiter({ clock: clockAt(0), keysMax: 2 });
    limiter.charge("key_a", 1);
    limiter.charge("key_b", 1);
    expect(limiter.charge("key_a", 1)).toBeGreaterThan(0);
    limiter.charge("key_c", 1);
    expect(limiter.charge("key_a", 1)).toBeGreaterThan(0);
    expect(limiter.charge("key_b", 1)).toBe(0);
  });
});
