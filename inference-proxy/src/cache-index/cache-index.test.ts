import { expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { CacheBelief, CacheIndex, HistoryIndex, RecentKeys, ReplicaSets } from "./index.ts";

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
  const index = new CacheIndex([10, 10]);
  const depths = new Int32Array(2);
  const depth = () => {
    index.writeDepths((block) => block, 2, depths);
    return depths[0];
  };
  for (const key of [0, 1, 0, 1]) index.add(0, key);
  index.delete(0, 1);
  expect(depth()).toBe(2);
  index.delete(0, 1);
  expect(depth()).toBe(1);
  index.clear(0);
  expect(depth()).toBe(0);
});

test("an index whose removals were lost stays within its bound, also when that shrinks", () => {
  const index = new CacheIndex([100]);
  for (let key = 0; key < 5000; key++) index.add(0, key);
  expect(index.size(0)).toBe(100);
  index.setKeysMax(0, 40);
  expect(index.size(0)).toBe(40);
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

test("keys of texts take no place of the blocks that they end in", () => {
  const belief = new CacheBelief(1);
  belief.setCapacity(0, 160);
  belief.trusted(0, true);
  const keys = Array.from({ length: 10 }, (_, block) => 100 + block);
  belief.stored(0, keys);
  belief.stored(0, [7, 8, 9]);
  const depths = new Int32Array(1);
  belief.writeDepths({ keys, chunks: 10, chunkTokens: 16, isExact: true }, depths);
  expect([...depths]).toEqual([10]);
});

test("a block that two ranks behind one address hold is there until both have removed it", () => {
  const belief = new CacheBelief(1);
  const prompt = { keys: [1, 2], chunks: 2, chunkTokens: 16, isExact: true };
  const depths = new Int32Array(1);
  const depth = () => {
    belief.writeDepths(prompt, depths);
    return depths[0];
  };
  belief.sent(0, prompt, 0);
  belief.stored(0, [1, 2]);
  belief.stored(0, [1, 2]);
  belief.removed(0, [2]);
  // Our own history as well, which takes over whenever the events are not trusted.
  for (const isTrusted of [true, false]) {
    belief.trusted(0, isTrusted);
    expect(depth()).toBe(2);
  }
  belief.removed(0, [2]);
  for (const isTrusted of [true, false]) {
    belief.trusted(0, isTrusted);
    expect(depth()).toBe(1);
  }
});

test("a cache's history is bounded in tokens, whatever chunks its prompts were cut into", () => {
  const belief = new CacheBelief(1);
  belief.setCapacity(0, 16_000);
  const depths = new Int32Array(1);
  const blocks = Array.from({ length: 500 }, (_, block) => block);
  const exact = { keys: blocks, chunks: 500, chunkTokens: 16, isExact: true };
  const text = { keys: [1001, 1002, 1003], chunks: 3, chunkTokens: 256, isExact: false };
  belief.sent(0, exact, 0);
  belief.sent(0, text, 1);
  belief.writeDepths(exact, depths);
  expect([...depths]).toEqual([500]);
  // What is too much goes from the end of what was not used for longest.
  const keys = Array.from({ length: 40 }, (_, chunk) => 2000 + chunk);
  belief.sent(0, { keys, chunks: 40, chunkTokens: 256, isExact: false }, 2);
  belief.writeDepths(exact, depths);
  expect(depths[0]).toBe((16_000 - 43 * 256) / 16);
});

test("what was sent and served nothing is not believed, unless others sent it too", () => {
  const belief = new CacheBelief(1);
  const depths = new Int32Array(1);
  const promptOf = (chunks: number) => ({
    keys: [1, 2, 3, 4],
    chunks,
    chunkTokens: 256,
    isExact: false,
  });
  const depth = () => {
    belief.writeDepths(promptOf(4), depths);
    return depths[0];
  };
  belief.sent(0, promptOf(2), 1);
  const second = belief.sent(0, promptOf(4), 2);
  belief.unsent(0, promptOf(4), second);
  expect(depth()).toBe(2);
  const third = belief.sent(0, promptOf(4), 3);
  belief.sent(0, promptOf(3), 4);
  belief.unsent(0, promptOf(4), third);
  expect(depth()).toBe(3);
});

test("of two that were sent in the same millisecond, the one that was served stays believed", () => {
  const belief = new CacheBelief(1);
  const depths = new Int32Array(1);
  const prompt = { keys: [1, 2, 3], chunks: 3, chunkTokens: 256, isExact: false };
  const failed = belief.sent(0, prompt, 7);
  const served = belief.sent(0, prompt, 7);
  belief.unsent(0, prompt, failed);
  belief.writeDepths(prompt, depths);
  expect([depths[0], failed === served]).toEqual([3, false]);
  belief.cleared(0);
  belief.sent(0, prompt, 7);
  belief.unsent(0, prompt, served);
  belief.writeDepths(prompt, depths);
  expect(depths[0]).toBe(3);
});

test("a replica that holds nothing is believed to hold nothing, whatever fractions keys stand for", () => {
  const history = new HistoryIndex([100]);
  history.setTokensMax(0, 0);
  history.record(0, (chunk) => chunk, 3, 0, true, 0.1);
  expect(history.size(0)).toBe(0);
});
