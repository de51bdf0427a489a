import { describe, expect, test } from "bun:test";
import { compare, createAudit, createStallWatch } from "./audit.ts";
import { createTrust } from "./trust.ts";

test("events are trusted while nobody doubts them, and only a change is told", () => {
  const told: (readonly [boolean, readonly string[]])[] = [];
  const trust = createTrust((isTrusted, doubts) => told.push([isTrusted, doubts]));
  expect(trust.isTrusted).toBe(false);
  trust.set("stream", false);
  trust.set("stream", false);
  trust.set("stalled", true);
  trust.set("audit", true);
  trust.set("stalled", false);
  trust.set("audit", false);
  expect(told).toEqual([
    [true, []],
    [false, ["stalled"]],
    [true, []],
  ]);
});

describe("an audit", () => {
  const failures = (results: readonly boolean[]) => {
    const audit = createAudit();
    return results.filter((isRight) => audit.isFailed(isRight ? "equal" : "over")).length;
  };

  test("fails when more than one answer in five is wrong for long", () => {
    expect(failures([false, false, false, false])).toBe(1);
    const oneInFour = Array.from({ length: 100 }, (_, index) => index % 4 !== 0);
    expect(failures(oneInFour)).toBeGreaterThan(0);
  });

  test("bears a few wrong answers in a burst, and one in ten for ever", () => {
    expect(failures([false, false, false])).toBe(0);
    const oneInTen = Array.from({ length: 1000 }, (_, index) => index % 10 !== 0);
    expect(failures(oneInTen)).toBe(0);
  });

  test("says in which direction a prediction was wrong", () => {
    expect([64, 96, 32].map((predicted) => compare(predicted, 64))).toEqual([
      "equal",
      "over",
      "under",
    ]);
  });
});

describe("a stall", () => {
  const stored = { sentAtMs: 100, inputTokens: 64, cachedTokens: 0 };

  test("is a request that must have stored a block, and no event since it was sent", () => {
    const watch = createStallWatch(1000);
    watch.finished(stored, 32, 200);
    expect(watch.isStalled(1199)).toBe(false);
    expect(watch.isStalled(1200)).toBe(true);
    watch.heard(1300);
    expect(watch.isStalled(9000)).toBe(false);
  });

  test("is none when events came while it ran, or nothing had to be stored", () => {
    const watch = createStallWatch(1000);
    watch.heard(150);
    watch.finished(stored, 32, 200);
    watch.finished({ ...stored, sentAtMs: 300, cachedTokens: 64 }, 32, 400);
    watch.finished({ ...stored, sentAtMs: 300, inputTokens: 31 }, 32, 400);
    expect(watch.isStalled(9000)).toBe(false);
  });
});
