import { expect, test } from "bun:test";
import { createHeardEnds } from "./heard-ends.ts";

test("finds the session whose prompt ended last in a prompt, and forgets the first heard", () => {
  const ends = createHeardEnds(3);
  expect(ends.find([1, 2])).toBeUndefined();
  ends.hear(1, "a");
  ends.hear(2, "b");
  ends.hear(3, "c");
  expect(ends.find([1, 2, 9])).toEqual({ sessionId: "b", index: 1 });
  ends.hear(1, "a2");
  ends.hear(4, "d");
  expect(ends.find([2, 9])).toBeUndefined();
  expect(ends.find([1, 9])).toEqual({ sessionId: "a2", index: 0 });
});
