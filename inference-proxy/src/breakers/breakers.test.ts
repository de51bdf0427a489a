import { describe, expect, test } from "bun:test";
import { type Clock, seededRandom } from "@warmpath/runtime/base";
import { type BreakerLimits, createBreakers, createRetryBudget, type Failure } from "./index.ts";

/*
 * Goal: a replica that fails is left alone, tried by few, and let in again; all by the clock of the
 * test. Chance takes up to half of a cooldown, so the tests wait for what `openUntilMs` says.
 */

const limits: BreakerLimits = {
  windowMs: 10_000,
  requestsMin: 4,
  failureShare: 0.5,
  slowFactor: 8,
  slowMsMin: 5000,
  cooldownMs: 500,
  cooldownMsMax: 2000,
  trialsMax: 2,
};

function setUp(over: Partial<BreakerLimits> = {}) {
  let nowMs = 1000;
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: async () => {} };
  const breakers = createBreakers({
    limits: { ...limits, ...over },
    clock,
    random: seededRandom(1),
  });
  const advance = (ms: number) => {
    nowMs += ms;
  };
  const noteBusy = () => {
    const failure = { scope: "model", kind: "busy" } as const;
    const sentAtMs = nowMs;
    breakers.note({ replica: "a", model: "m", sentAtMs, failure, firstEventMs: undefined });
  };
  const note = (failure?: Failure["scope"], firstEventMs = 100, replica = "a", model = "m") =>
    breakers.note({
      replica,
      model,
      sentAtMs: nowMs,
      failure: failure === undefined ? undefined : { scope: failure, kind: "test" },
      firstEventMs,
    });
  const coolDown = () => {
    const waitMs = (breakers.openUntilMs("a") ?? nowMs) - nowMs;
    advance(waitMs);
    return waitMs;
  };
  return { breakers, advance, note, noteBusy, coolDown, clock };
}

describe("createBreakers()", () => {
  test("opens at the stated share of failures, and not before there are enough requests", () => {
    const { breakers, note } = setUp();
    note("model");
    note("model");
    note();
    expect(breakers.admits("a", "m")).toBe(true);
    note("model");
    expect(breakers.admits("a", "m")).toBe(false);
    expect(breakers.troubled).toEqual([
      { replica: "a", model: "m", state: "open", reason: "3 of its last 4 requests failed" },
    ]);
  });

  test("opens after as many failures in a row, however many went well before", () => {
    const { breakers, note } = setUp();
    for (let count = 0; count < 1000; count += 1) {
      note();
    }
    for (let count = 0; count < 4; count += 1) {
      expect(breakers.admits("a", "m")).toBe(true);
      note("model");
    }
    expect(breakers.admits("a", "m")).toBe(false);
  });

  test("having no room now and then is no failure; having none many times in a row is", () => {
    const { breakers, note, noteBusy } = setUp();
    for (let count = 0; count < 100; count += 1) {
      noteBusy();
      noteBusy();
      noteBusy();
      note();
    }
    expect(breakers.admits("a", "m")).toBe(true);
    for (let count = 0; count < 4; count += 1) {
      noteBusy();
    }
    expect(breakers.troubled[0]?.reason).toBe("4 requests in a row found no room");
  });

  test("forgets failures that are older than the window", () => {
    const { breakers, advance, note } = setUp();
    note("model");
    note("model");
    note("model");
    advance(10_001);
    note("model");
    expect(breakers.admits("a", "m")).toBe(true);
  });

  test("a model's failures leave the replica's other models alone; a replica's take all", () => {
    const { breakers, note } = setUp();
    for (let count = 0; count < 4; count += 1) {
      note("model");
    }
    expect([breakers.admits("a", "m"), breakers.admits("a", "n")]).toEqual([false, true]);
    for (let count = 0; count < 8; count += 1) {
      note("replica", 100, "b");
    }
    expect([breakers.admits("b", "m"), breakers.admits("b", "n")]).toEqual([false, false]);
    expect(breakers.admits("c", "m")).toBe(true);
  });

  test("one word of going away is enough", () => {
    const { breakers, note } = setUp();
    note("gone");
    expect(breakers.admits("a", "m")).toBe(false);
  });

  test("half-open it lets a bounded number try, and closes when so many succeeded", () => {
    const { breakers, note, coolDown } = setUp();
    breakers.trip("a", "test");
    coolDown();
    expect(breakers.admits("a", "m")).toBe(false);
    breakers.halfOpen("a");
    const first = breakers.begin("a", "m");
    const second = breakers.begin("a", "m");
    expect(breakers.admits("a", "m")).toBe(false);
    first?.end();
    first?.end();
    expect(breakers.admits("a", "m")).toBe(true);
    const third = breakers.begin("a", "m");
    expect(breakers.admits("a", "m")).toBe(false);
    note();
    note();
    expect(breakers.troubled).toEqual([]);
    expect(breakers.begin("a", "m")).toBeUndefined();
    second?.end();
    third?.end();
    expect(breakers.admits("a", "m")).toBe(true);
  });

  test("a failed trial opens it again, for longer each time, and never longer than the most", () => {
    const { breakers, note, coolDown } = setUp();
    const waits: number[] = [];
    breakers.trip("a", "test");
    for (let count = 0; count < 8; count += 1) {
      waits.push(coolDown());
      breakers.halfOpen("a");
      note("replica");
      expect(breakers.admits("a", "m")).toBe(false);
    }
    expect(waits[0]).toBeGreaterThanOrEqual(250);
    expect(waits[0]).toBeLessThanOrEqual(500);
    expect(Math.max(...waits)).toBeGreaterThan(1000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(2000);
    expect(new Set(waits).size).toBeGreaterThan(4);
  });

  test("an opening long after the last begins with the short cooldown", () => {
    const { breakers, note, coolDown, advance } = setUp();
    for (let count = 0; count < 4; count += 1) {
      breakers.trip("a", "test");
      coolDown();
      breakers.halfOpen("a");
      note("replica");
    }
    coolDown();
    breakers.halfOpen("a");
    note();
    note();
    advance(60_000);
    breakers.trip("a", "test");
    expect(coolDown()).toBeLessThanOrEqual(500);
  });

  test("what was sent before it opened says nothing about how it is now", () => {
    const { breakers, coolDown, clock } = setUp();
    const sentAtMs = clock.monotonicMs();
    breakers.trip("a", "test");
    coolDown();
    breakers.halfOpen("a");
    const failure = { scope: "replica", kind: "cut" } as const;
    breakers.note({ replica: "a", model: "m", sentAtMs, failure, firstEventMs: undefined });
    expect(breakers.admits("a", "m")).toBe(true);
  });

  test("takes out a replica that is far slower than its peers, and none when all are slow", () => {
    const { breakers, advance, note } = setUp();
    const round = (msOfA: number, msOfOthers: number) => {
      for (let count = 0; count < 60; count += 1) {
        note(undefined, msOfOthers, "b");
        note(undefined, msOfOthers, "c");
        note(undefined, msOfA, "a");
        advance(200);
      }
    };
    round(20_000, 15_000);
    expect(breakers.troubled).toEqual([]);
    advance(20_000);
    round(20_000, 200);
    expect(breakers.troubled.map(({ replica, model }) => [replica, model])).toEqual([["a", "m"]]);
    expect(breakers.troubled[0]?.reason).toContain("p99");
  });

  test("the only replica of a model is never too slow", () => {
    const { breakers, advance, note } = setUp();
    for (let count = 0; count < 50; count += 1) {
      note(undefined, 50_000);
      advance(300);
    }
    expect(breakers.troubled).toEqual([]);
  });

  test("tells each change of what it admits, and whether it admits more", () => {
    const { breakers, note, coolDown } = setUp();
    const told: [string, boolean][] = [];
    breakers.onChange((replica, isLooser) => told.push([replica, isLooser]));
    breakers.trip("a", "test");
    breakers.trip("a", "test");
    coolDown();
    breakers.halfOpen("a");
    note();
    note();
    note();
    expect(told).toEqual([
      ["a", false],
      ["a", true],
      ["a", true],
    ]);
  });
});

describe("createRetryBudget()", () => {
  test("an outage adds the stated share to the load, beyond what was saved up", () => {
    const { clock } = setUp();
    const budget = createRetryBudget({
      clock,
      limits: { share: 0.2, reserve: 10, perSecond: 0 },
    });
    let retries = 0;
    for (let request = 0; request < 1000; request += 1) {
      budget.earn();
      retries += budget.take() ? 1 : 0;
    }
    expect(retries).toBeLessThanOrEqual(210);
    expect(retries).toBeGreaterThan(200);
  });

  test("is full again after a quiet while, and never more than full", () => {
    const { clock, advance } = setUp();
    const limits = { share: 0.2, reserve: 3, perSecond: 1 };
    const budget = createRetryBudget({ clock, limits });
    expect([budget.take(), budget.take(), budget.take(), budget.take()]).toEqual([
      true,
      true,
      true,
      false,
    ]);
    advance(1000);
    expect(budget.left).toBe(1);
    advance(60_000);
    expect(budget.left).toBe(3);
  });
});
