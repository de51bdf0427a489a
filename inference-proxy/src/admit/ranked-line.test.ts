import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { createRankedLine, rankOf } from "./ranked-line.ts";

describe("createRankedLine()", () => {
  test("keeps the order of a stable sort through 5,000 comings and goings", () => {
    const random = seededRandom(3);
    const line = createRankedLine<{ rank: number; id: number }>();
    let model: { rank: number; id: number }[] = [];
    for (let id = 0; id < 5000; id += 1) {
      const item = { rank: Math.floor(random.next() * 20), id };
      line.join(item);
      model = [...model, item].toSorted((a, b) => a.rank - b.rank);
      if (random.next() < 0.9) {
        const gone = model[Math.floor(random.next() * model.length)];
        if (gone !== undefined) {
          expect(line.leave(gone)).toBe(true);
          expect(line.leave(gone)).toBe(false);
          model = model.filter((each) => each !== gone);
        }
      }
      expect(line.first).toBe(model[0]);
      expect(line.size).toBe(model.length);
    }
    expect(line.everyone()).toEqual(model);
  });
});

test("who needs little passes who needs much, for a bounded time", () => {
  const large = rankOf(0, 10_000);
  expect(rankOf(30_000, 500)).toBeLessThan(large);
  expect(rankOf(41_000, 500)).toBeGreaterThan(large);
});
