import { describe, expect, test } from "bun:test";
import { createManualClock } from "../testing/manual-clock.ts";
import { assert } from "./assert.ts";
import { systemClock, timeoutSignal } from "./clock.ts";
import { WarmpathError } from "./error.ts";
import { isId, newId } from "./id.ts";
import { createLogger } from "./log.ts";
import { backoffMs, seededRandom } from "./random.ts";
import { isReason, reasonForCode, reasons } from "./reasons.ts";

describe("errors", () => {
  test("what a reason fixes follows from the table", () => {
    const error = new WarmpathError("rejected-over-limit", "too many", { retryAfterMs: 5 });
    expect(error).toMatchObject({
      code: "resource_exhausted",
      source: "client",
      retry: "safe",
      retryAfterMs: 5,
      fields: [],
    });
  });

  test("every row has a sentence, and every code a reason of that code", () => {
    for (const [reason, row] of Object.entries(reasons)) {
      expect(row.doc).toMatch(/^[A-Z].*\.$/);
      expect(isReason(reason)).toBe(true);
      expect(reasons[reasonForCode(row.code)].code).toBe(row.code);
    }
    expect(isReason("toString")).toBe(false);
  });

  test("any thrown value becomes one of ours, with the original as its cause", () => {
    const ours = new WarmpathError("rejected-draining", "going");
    expect(WarmpathError.from(ours)).toBe(ours);
    const cases: [unknown, string][] = [
      [new Error("boom"), "failed-internal"],
      ["text", "failed-internal"],
      [undefined, "failed-internal"],
      [new DOMException("x", "AbortError"), "failed-cancelled"],
      [AbortSignal.abort().reason, "failed-cancelled"],
      [new DOMException("x", "TimeoutError"), "failed-timeout"],
    ];
    for (const [thrown, reason] of cases) {
      const error = WarmpathError.from(thrown);
      expect(error.reason as string).toBe(reason);
      expect(error.cause).toBe(thrown);
    }
  });

  test("a failed assertion tells the caller nothing and the log everything", () => {
    try {
      assert(1 > 2, "one is more than two");
    } catch (error) {
      const { message, cause } = WarmpathError.from(error);
      expect(message).toBe("internal error");
      expect(String(cause)).toContain("one is more than two");
    }
  });
});

describe("clock", () => {
  test("a sleep ends early with the signal's reason", async () => {
    for (const clock of [systemClock, createManualClock()]) {
      const controller = new AbortController();
      const sleeping = clock.sleep(60_000, controller.signal);
      controller.abort(new Error("enough"));
      await expect(sleeping).rejects.toThrow("enough");
      await expect(clock.sleep(1, controller.signal)).rejects.toThrow("enough");
    }
  });

  test("a manual clock wakes sleepers in order of time", async () => {
    const clock = createManualClock();
    const woken: string[] = [];
    void clock.sleep(20).then(() => woken.push("b"));
    void clock.sleep(10).then(async () => {
      woken.push("a");
      await clock.sleep(5);
      woken.push("a again");
    });
    await clock.advance(19);
    expect(woken).toEqual(["a", "a again"]);
    await clock.advance(1);
    expect(woken).toEqual(["a", "a again", "b"]);
    expect(clock.monotonicMs()).toBe(20);
    expect(clock.sleeperCount).toBe(0);
  });

  test("a timeout aborts in time, and not when it was cancelled before", async () => {
    const clock = createManualClock();
    const late = timeoutSignal(clock, 10);
    const done = timeoutSignal(clock, 10);
    done.cancel();
    await clock.advance(10);
    expect(late.signal.reason).toMatchObject({ name: "TimeoutError" });
    expect(done.signal.aborted).toBe(false);
  });
});

describe("chance", () => {
  test("the same seed gives the same numbers, another seed others", () => {
    const draw = (seed: string) => Array.from({ length: 5 }, seededRandom(seed).next);
    expect(draw("a")).toEqual(draw("a"));
    expect(draw("a")).not.toEqual(draw("b"));
  });

  test("numbers are spread over [0, 1)", () => {
    const { next } = seededRandom(7);
    const counts = new Array<number>(10).fill(0);
    for (let index = 0; index < 10_000; index++) {
      const bucket = Math.floor(next() * 10);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });

  test("backoff doubles up to its limit and never falls below half", () => {
    const lazy = { next: () => 0.999 };
    expect(backoffMs(0, 100, 1000, { next: () => 0 })).toBe(50);
    expect(backoffMs(2, 100, 1000, lazy)).toBeCloseTo(400, 0);
    expect(backoffMs(90, 100, 1000, lazy)).toBeLessThanOrEqual(1000);
  });
});

describe("ids", () => {
  test("have their prefix, sort by time, and contain only [a-z0-9_]", () => {
    const ids = Array.from({ length: 1000 }, () => newId("task"));
    expect(new Set(ids).size).toBe(1000);
    expect(ids.toSorted()).toEqual(ids);
    expect(ids[0]).toMatch(/^task_[0-9a-f]{32}$/);
    expect(isId("task", ids[0] ?? "")).toBe(true);
    expect(isId("key", ids[0] ?? "")).toBe(false);
  });
});

describe("log", () => {
  const lines: string[] = [];
  const clock = createManualClock();
  const write = (line: string) => lines.push(line);

  test("lines below the level are not written, fields of parents are", () => {
    lines.length = 0;
    const log = createLogger({ service: "s", level: "info", format: "json", write, clock });
    log.child({ task_id: "task_1" }).debug("quiet");
    log.child({ task_id: "task_1" }).info("said", { count: 2, nothing: undefined });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        time: "2026-01-01T00:00:00.000Z",
        level: "info",
        service: "s",
        message: "said",
        task_id: "task_1",
        count: 2,
      },
    ]);
    expect(log.enabled("debug")).toBe(false);
  });

  test("errors show their causes; bigints, bytes and cycles do no harm", () => {
    lines.length = 0;
    const log = createLogger({ service: "s", level: "info", format: "json", write, clock });
    const cycle: Record<string, unknown> = { big: 1n, bytes: new Uint8Array(3) };
    cycle["self"] = cycle;
    const cause = new Error("inner");
    const error = new WarmpathError("failed-store", "outer", { cause });
    log.error("broke", { error, cycle });
    const line = JSON.parse(lines[0] ?? "");
    expect(line.error).toMatchObject({ reason: "failed-store", cause: { message: "inner" } });
    expect(line.cycle).toMatchObject({ big: "1", bytes: "<3 bytes>" });
  });

  test("nothing in a value reaches a terminal as a command", () => {
    const lines: string[] = [];
    const write = (line: string) => lines.push(line);
    const log = createLogger({ service: "s", level: "info", format: "text", write });
    log.info("seen", { a: "\u001b[2J", b: "\u009b31m", c: "\u007f", d: "two\nlines", e: "wörd" });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(lines[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect(lines[0]).toContain("e=wörd");
  });

  test("one value cannot flood the log, and the text form fits a terminal", () => {
    lines.length = 0;
    const log = createLogger({ service: "s", level: "info", format: "text", write, clock });
    log.info("long", { value: "x".repeat(100_000) });
    log.warn("short", { a: "b c", n: 1 });
    expect(lines[0]?.length).toBeLessThan(33_000);
    expect(lines[1]).toBe('00:00:00.000 WARN  s: short a="b c" n=1');
  });
});
