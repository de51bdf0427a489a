import { expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { requestOf } from "../testing/hand-made-fleet.ts";
import { CountedIndex } from "./counted-index.ts";
import { HistoryIndex } from "./history-index.ts";
import { RecentKeys } from "./recent-keys.ts";
import { ReplicaSets } from "./replica-sets.ts";

test("depths along a chain equal a replica-by-replica walk, for 1 to 256 replicas", () => {
  const random = seededRandom(7);
  for (const replicas of [1, 8, 31, 32, 33, 64, 256]) {
    for (const stride of [1, 4, 16]) {
      const sets = new ReplicaSets(replicas);
      const count = 60;
      const held = Array.from({ length: replicas }, () => Math.floor(random.next() * (count + 1)));
      for (const [replica, depth] of held.entries()) {
        for (let key = 0; key < depth; key++) sets.add(key, replica);
      }
      const depths = new Int32Array(replicas);
      sets.writeDepths((index) => index, count, stride, depths);
      expect([...depths]).toEqual(held);
    }
  }
});

test("keys that nobody holds are forgotten and their place is used again", () => {
  const sets = new ReplicaSets(40);
  for (let round = 0; round < 5; round++) {
    for (let key = 0; key < 3000; key++) sets.add(round * 10_000 + key, key % 40);
    expect(sets.size).toBe(3000);
    for (let key = 0; key < 3000; key++) sets.delete(round * 10_000 + key, key % 40);
    expect(sets.size).toBe(0);
  }
  const depths = new Int32Array(40);
  sets.add(1, 39);
  sets.writeDepths(() => 1, 1, 16, depths);
  expect([depths[38], depths[39]]).toEqual([0, 1]);
});

test("a block that an engine holds twice is gone when both are removed", () => {
  const index = new CountedIndex([10, 10]);
  const depths = new Int32Array(2);
  const depth = () => {
    index.writeDepths((block) => block, 2, depths);
    return depths[0];
  };
  const stored = { type: "stored", requestId: 1, firstBlock: 0, parentKey: undefined } as const;
  index.apply(0, [{ ...stored, keys: [0, 1] }]);
  index.apply(0, [{ ...stored, keys: [0, 1] }]);
  index.apply(0, [{ type: "removed", key: 1 }]);
  expect(depth()).toBe(2);
  index.apply(0, [{ type: "removed", key: 1 }]);
  expect(depth()).toBe(1);
  index.apply(0, [{ type: "cleared" }]);
  expect(depth()).toBe(0);
});

test("an index whose removals were lost stays within the engine's capacity", () => {
  const index = new CountedIndex([100]);
  for (let key = 0; key < 5000; key++) index.add(0, key);
  expect(index.size(0)).toBe(100);
});

test("history is bounded by least recent use and by age", () => {
  const index = new HistoryIndex({ chunkBlocks: 4, keysMax: [3, 3], ttlMs: 1000 });
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

test("keys come out in the order of their last use, as from a map that is kept in order", () => {
  const random = seededRandom(3);
  const recent = new RecentKeys();
  const model = new Map<number, number>();
  for (let atMs = 0; atMs < 5000; atMs++) {
    const key = Math.floor(random.next() * 60);
    if (random.next() < 0.3) {
      recent.delete(key);
      model.delete(key);
    } else {
      expect(recent.touch(key, atMs)).toBe(!model.delete(key));
      model.set(key, atMs);
    }
    const [oldest] = model;
    expect(recent.oldest).toEqual(oldest && { key: oldest[0], usedAtMs: oldest[1] });
    expect(recent.size).toBe(model.size);
  }
});
