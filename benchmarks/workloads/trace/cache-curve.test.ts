import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { wholeBetween, zipf } from "../samplers.ts";
import { CacheCurveCounter } from "./cache-curve.ts";
import type { TraceRequest } from "./read-trace.ts";
import { RecencyOrder } from "./recency-order.ts";

/** An LRU cache as one would write it down: a list, the last used at its end. */
class PlainCache {
  #kept: number[] = [];
  readonly #blocks: number;

  constructor(blocks: number) {
    this.#blocks = blocks;
  }

  hitTokens({ blockIds, inputTokens }: TraceRequest): number {
    const miss = blockIds.findIndex((id) => !this.#kept.includes(id));
    const hits = miss === -1 ? blockIds.length : miss;
    for (const id of blockIds.toReversed()) {
      this.#kept = [...this.#kept.filter((each) => each !== id), id];
    }
    this.#kept = this.#kept.slice(Math.max(0, this.#kept.length - this.#blocks));
    return Math.min(inputTokens, 512 * hits);
  }
}

/** Prompts that share beginnings: a few trees of blocks, named by their path. */
function randomRequests(random: Random, count: number): readonly TraceRequest[] {
  const branch = zipf(4, 1);
  return Array.from({ length: count }, (_, timestampMs) => {
    const depth = wholeBetween(random, 1, 6);
    const blockIds: number[] = [];
    for (let level = 0; level < depth; level += 1) {
      blockIds.push(10 * (blockIds.at(-1) ?? 0) + 1 + branch(random));
    }
    const inputTokens = 512 * depth - wholeBetween(random, 0, 511);
    return { timestampMs, inputTokens, outputTokens: 1, blockIds };
  });
}

describe("a cache curve", () => {
  test.each([1, 2, 3])("is what an LRU cache of each size serves (seed %p)", (seed) => {
    const requests = randomRequests(seededRandom(seed), 600);
    const sizes = [1, 3, 7, 20, 60, 200];
    const counter = new CacheCurveCounter(sizes.map((blocks) => 512 * blocks));
    for (const request of requests) counter.add(request);
    const curve = counter.curve();
    for (const [index, blocks] of sizes.entries()) {
      const cache = new PlainCache(blocks);
      const hits = requests.reduce((sum, request) => sum + cache.hitTokens(request), 0);
      expect(curve.finite[index]?.tokenHits).toBeCloseTo(hits / curve.promptTokens, 12);
    }
    const everything = new PlainCache(1e6);
    const hits = requests.reduce((sum, request) => sum + everything.hitTokens(request), 0);
    expect(curve.infinite.tokenHits).toBeCloseTo(hits / curve.promptTokens, 12);
  });
  test("rises with the size, up to the infinite cache", () => {
    const counter = new CacheCurveCounter([4e4, 1e3, 2e4]);
    for (const request of randomRequests(seededRandom(9), 2_000)) counter.add(request);
    const { finite, infinite } = counter.curve();
    expect(finite.map(({ cacheTokens }) => cacheTokens)).toEqual([1e3, 2e4, 4e4]);
    const shares = [...finite.map(({ blockHits }) => blockHits), infinite.blockHits];
    expect(shares).toEqual(shares.toSorted((left, right) => left - right));
  });
  test("of nothing is nothing", () => {
    expect(new CacheCurveCounter([1e6]).curve()).toMatchObject({
      requests: 0,
      infinite: { blockHits: 0, tokenHits: 0 },
      finite: [{ cacheTokens: 1e6, blockHits: 0, tokenHits: 0 }],
    });
  });
});

test("the order of last uses is kept however often room runs out", () => {
  const order = new RecencyOrder(8);
  const random = seededRandom("recency");
  let plain: number[] = [];
  for (let step = 0; step < 3_000; step += 1) {
    const id = wholeBetween(random, 0, 40);
    const at = plain.indexOf(id);
    expect(order.rankOf(id)).toBe(at === -1 ? undefined : plain.length - 1 - at);
    order.use(id);
    plain = [...plain.filter((each) => each !== id), id];
    expect(order.size).toBe(plain.length);
  }
});
