import { expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { BlockPool } from "./block-pool.ts";
import { between } from "./testing/random-load.ts";
import type { CacheEvent } from "./types.ts";

/** A key that needs more than 32 bits, in few buckets. */
const keyOf = (index: number) => index * 2 ** 33 + (index % 3);

test("random use leaves the pool as a list and a map would have it, and the events say so", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = seededRandom(`pool ${seed}`);
    const size = between(random, 1, 12);
    const events: CacheEvent[] = [];
    const pool = new BlockPool(size, events);
    const references = new Map<number, number>();
    const contents: { block: number; key: number }[] = [];
    const free = Array.from({ length: size }, (_, block) => block);
    for (let round = 0; round < 200; round++) {
      const held = [...references.keys()];
      const any = held[Math.floor(random.next() * held.length)];
      const key = keyOf(between(random, 0, 5));
      const found = contents.find((entry) => entry.key === key)?.block ?? -1;
      expect(pool.find(key)).toBe(found);
      const action = between(random, 0, 3);
      if (action === 0 && free.length > 0) {
        const block = pool.take();
        expect(block).toBe(free.shift() ?? -1);
        references.set(block, 1);
        const at = contents.findIndex((entry) => entry.block === block);
        if (at >= 0) {
          expect(events.pop()).toEqual({ type: "removed", key: contents[at]?.key ?? -1 });
          contents.splice(at, 1);
        }
      } else if (action === 1 && found >= 0) {
        pool.hold(found);
        if (!references.has(found)) free.splice(free.indexOf(found), 1);
        references.set(found, (references.get(found) ?? 0) + 1);
      } else if (action === 2 && any !== undefined) {
        pool.release(any);
        const left = (references.get(any) ?? 0) - 1;
        if (left > 0) references.set(any, left);
        else {
          references.delete(any);
          if (contents.some(({ block }) => block === any)) free.push(any);
          else free.unshift(any);
        }
      } else if (any !== undefined && !contents.some(({ block }) => block === any)) {
        pool.store(any, key);
        contents.push({ block: any, key });
      }
      expect(pool.free).toBe(free.length);
      expect(events).toEqual([]);
    }
  }
});

test("releasing what nobody holds is a fault", () => {
  const pool = new BlockPool(2, undefined);
  const block = pool.take();
  pool.release(block);
  expect(() => pool.release(block)).toThrow("internal error");
});
