import { describe, expect, test } from "bun:test";
import { createKeyPaces } from "./index.ts";

function paces(keysMax = 10) {
  let nowMs = 0;
  const clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: () => Promise.resolve(),
  };
  const advance = (ms: number) => {
    nowMs += ms;
  };
  return { keyPaces: createKeyPaces({ clock, keysMax }), advance };
}

const rates = { requests: { perMinute: 0 }, tokens: { perMinute: 100 } };

describe("createKeyPaces()", () => {
  test("64 concurrent requests through a 100-token limit overspend by nothing", () => {
    const { keyPaces } = paces();
    const taken = Array.from({ length: 64 }, () => keyPaces.reserve("k", rates, 10));
    expect(taken.filter((each) => "reservation" in each).length).toBe(10);
    expect(taken.at(-1)).toEqual({ retryAfterMs: 6000 });
  });

  test("refunds what was not used, and keeps overspend as debt", () => {
    const { keyPaces, advance } = paces();
    const first = keyPaces.reserve("k", rates, 100);
    if ("reservation" in first) {
      first.reservation.settle(40);
      first.reservation.settle(0);
    }
    const second = keyPaces.reserve("k", rates, 60);
    expect("reservation" in second).toBe(true);
    if ("reservation" in second) {
      second.reservation.settle(160);
    }
    // 100 in debt: one token takes 101 / 100 of a minute.
    expect(keyPaces.reserve("k", rates, 1)).toEqual({ retryAfterMs: 60_600 });
    advance(60_600);
    expect("reservation" in keyPaces.reserve("k", rates, 1)).toBe(true);
  });

  test("counts requests apart from tokens, and takes both or neither", () => {
    const { keyPaces } = paces();
    const both = { requests: { perMinute: 2 }, tokens: { perMinute: 100 } };
    expect("reservation" in keyPaces.reserve("k", both, 90)).toBe(true);
    expect("retryAfterMs" in keyPaces.reserve("k", both, 90)).toBe(true);
    expect("reservation" in keyPaces.reserve("k", both, 10)).toBe(true);
    expect(keyPaces.reserve("k", both, 0)).toEqual({ retryAfterMs: 30_000 });
    expect("reservation" in keyPaces.reserve("other", both, 0)).toBe(true);
  });

  test("a key that our services used without a limit has its whole allowance of its own", () => {
    const { keyPaces } = paces();
    const unlimited = { requests: { perMinute: 0 }, tokens: { perMinute: 0 } };
    expect("reservation" in keyPaces.reserve("k", unlimited, 10)).toBe(true);
    const limited = { requests: { perMinute: 2 }, tokens: { perMinute: 100 } };
    expect("reservation" in keyPaces.reserve("k", limited, 100)).toBe(true);
  });

  test("a request larger than the burst runs from a full bucket and leaves debt", () => {
    const { keyPaces } = paces();
    expect("reservation" in keyPaces.reserve("k", rates, 250)).toBe(true);
    expect(keyPaces.reserve("k", rates, 1)).toEqual({ retryAfterMs: 90_600 });
  });
});
