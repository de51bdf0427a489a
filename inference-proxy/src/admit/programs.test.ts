import { describe, expect, test } from "bun:test";
import { createWaitQueue } from "./index.ts";
import { createPrograms } from "./programs.ts";

const limits = { programsMax: 3, delayMsMax: 20_000 };

describe("createPrograms()", () => {
  test("delays a program by what it was served, within the bound; others not at all", () => {
    const programs = createPrograms(limits);
    programs.served("t", "job", 1000, 0);
    programs.served("t", "job", 500, 0);
    expect(programs.delayMs("t", "job", 0)).toBe(1500);
    programs.served("t", "job", 1e6, 0);
    expect(programs.delayMs("t", "job", 0)).toBe(20_000);
    expect(programs.delayMs("t", "new", 0)).toBe(0);
    // A name is its tenant's own.
    expect(programs.delayMs("u", "job", 0)).toBe(0);
  });

  test("what was long ago counts little", () => {
    const programs = createPrograms(limits);
    programs.served("t", "job", 10_000, 0);
    expect(programs.delayMs("t", "job", 600_000)).toBeWithin(3500, 3900);
    expect(programs.delayMs("t", "job", 3_600_000)).toBeLessThan(30);
  });

  test("remembers so many, and no call without a program", () => {
    const programs = createPrograms(limits);
    for (const program of ["a", "b", "c", "a", "d"]) {
      programs.served("t", program, 10, 0);
    }
    programs.served("t", "", 10, 0);
    expect(programs.size).toBe(3);
    expect(["a", "b", "c", "d"].map((each) => programs.delayMs("t", each, 0))).toEqual([
      20, 0, 10, 10,
    ]);
    const off = createPrograms({ ...limits, delayMsMax: 0 });
    off.served("t", "a", 10, 0);
    expect([off.size, off.delayMs("t", "a", 0)]).toEqual([0, 0]);
  });

  test("in the queue: little served goes first, and who has waited long enough before all", () => {
    const programs = createPrograms(limits);
    const queue = createWaitQueue<string>({ requestsMax: 9, bytesMax: 9, passedOverMax: 8 });
    const join = (program: string, nowMs: number) => {
      const rank = nowMs + programs.delayMs("t", program, nowMs);
      const claim = { lane: "standard", group: "m", tenant: "t", bytes: 1 } as const;
      queue.join({ ...claim, rank, item: `${program}@${nowMs}` });
    };
    programs.served("t", "long", 1e6, 0);
    programs.served("t", "short", 2000, 0);
    join("long", 0);
    join("short", 100);
    join("new", 1000);
    join("new", 19_000);
    join("new", 21_000);
    const order: string[] = [];
    queue.pump((item) => order.push(item) > 0);
    expect(order).toEqual(["new@1000", "short@100", "new@19000", "long@0", "new@21000"]);
  });
});
