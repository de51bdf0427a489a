import { expect, test } from "bun:test";
import { requestOf } from "../testing/hand-made-fleet.ts";
import { PromptHistory } from "./prompt-history.ts";

test("history is bounded by least recent use and by age", () => {
  const index = new PromptHistory({ chunkBlocks: 4, keysMax: [3, 3], ttlMs: 1000 });
  const depths = new Int32Array(2);
  const depthOf = (parts: string[], nowMs: number) => {
    index.writeDepths(requestOf(parts), nowMs, depths);
    return depths[0];
  };
  index.record(requestOf(["a:128"]), 0, 0);
  index.record(requestOf(["b:64"]), 0, 1);
  expect(depthOf(["a:128"], 2)).toBe(2);
  index.record(requestOf(["a:128"]), 0, 500);
  index.record(requestOf(["c:64"]), 0, 600);
  expect(index.size(0)).toBe(3);
  expect(depthOf(["b:64"], 700)).toBe(0);
  expect(depthOf(["a:128"], 1499)).toBe(2);
  expect(depthOf(["a:128"], 1501)).toBe(0);
  expect(index.size(0)).toBe(1);
});
