/** Goal: a difference tells what changed and leaves out what did not. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { lineDiff } from "./line-diff.ts";

describe("the difference of two lists of lines", () => {
  test("is nothing where they are equal", () => {
    expect(lineDiff(["a", "b"], ["a", "b"])).toEqual([]);
    expect(lineDiff([], [])).toEqual([]);
  });

  test("names what is gone, what is new and what moved", () => {
    expect(lineDiff(["a", "b", "c"], ["a", "c"])).toEqual(["- b"]);
    expect(lineDiff(["a"], ["x", "a", "y"])).toEqual(["+ x", "+ y"]);
    expect(lineDiff(["a", "b", "c"], ["b", "c", "a"])).toEqual(["- a", "+ a"]);
  });

  test("turns one into the other, and is no longer than both together", () => {
    const random = seededRandom(2);
    const draw = () =>
      Array.from({ length: 12 }, () => String.fromCharCode(97 + Math.floor(random.next() * 5)));
    for (let round = 0; round < 200; round++) {
      const [before, after] = [draw(), draw()];
      const lines = lineDiff(before, after);
      const gone = lines.filter((line) => line.startsWith("- ")).length;
      const added = lines.filter((line) => line.startsWith("+ ")).length;
      expect(before.length - gone).toBe(after.length - added);
      const rest = subtract(before, lines, "- ");
      expect(rest).toEqual(subtract(after, lines, "+ "));
    }
  });
});

/** The lines without those that the difference names with this sign, as a multiset. */
function subtract(from: readonly string[], lines: readonly string[], sign: string): string[] {
  const left = from.toSorted();
  for (const line of lines) {
    if (line.startsWith(sign)) left.splice(left.indexOf(line.slice(sign.length)), 1);
  }
  return left;
}
