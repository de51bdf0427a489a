import { describe, expect, test } from "bun:test";
import { createLaneOrder } from "./lane-order.ts";

describe("createLaneOrder()", () => {
  test("asks each lane first by its weight, evenly, and batch within a bound", () => {
    const order = createLaneOrder({ interactive: 12, standard: 3, batch: 1 });
    const firsts = Array.from({ length: 160 }, () => order()[0]);
    const count = (lane: string) => firsts.filter((first) => first === lane).length;
    expect([count("interactive"), count("standard"), count("batch")]).toEqual([120, 30, 10]);
    const gaps = firsts.flatMap((first, index) => (first === "batch" ? [index] : []));
    for (let index = 1; index < gaps.length; index++) {
      expect((gaps[index] ?? 0) - (gaps[index - 1] ?? 0)).toBeLessThanOrEqual(16);
    }
  });

  test("names every lane in every turn", () => {
    const order = createLaneOrder({ interactive: 1, standard: 1, batch: 1 });
    for (let turn = 0; turn < 5; turn++) expect(new Set(order()).size).toBe(3);
  });
});
