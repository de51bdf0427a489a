import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { createChainSpace, createTokenChainSpace } from "./index.ts";
import { between } from "./testing/random-load.ts";
import type { BlockChain } from "./types.ts";

function keysOf(chain: BlockChain, blocks: number): readonly number[] {
  return Array.from({ length: blocks }, (_, index) => chain.key(index));
}

describe("chains of segments", () => {
  test("blocks are equal exactly when all tokens up to their end are", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = seededRandom(`segments ${seed}`);
      const blockTokens = between(random, 1, 8);
      const lengths = Array.from({ length: 4 }, () => between(random, 0, 20));
      const space = createChainSpace({ blockTokens });
      const seen = new Map<number, string>();
      const known = new Map<string, number>();
      for (let chain = 0; chain < 10; chain++) {
        const segments = Array.from({ length: between(random, 1, 5) }, () => {
          const content = between(random, 0, 3);
          return { content, tokens: lengths[content] ?? 0 };
        });
        const tokens = segments.flatMap((segment) =>
          Array.from({ length: segment.tokens }, (_, at) => `${segment.content}.${at}`),
        );
        const made = space.chainOf(segments);
        // Asked for backwards too: the order of questions must not matter.
        for (let index = Math.floor(tokens.length / blockTokens) - 1; index >= 0; index--) {
          const text = tokens.slice(0, (index + 1) * blockTokens).join();
          const key = made.key(index);
          expect(made.key(0)).toBe(known.get(tokens.slice(0, blockTokens).join()) ?? made.key(0));
          expect(seen.get(key) ?? text).toBe(text);
          expect(known.get(text) ?? key).toBe(key);
          seen.set(key, text);
          known.set(text, key);
        }
      }
    }
  });

  test("a next turn continues the one before, and ends where its segments end", () => {
    const space = createChainSpace({ blockTokens: 4 });
    const segments = [
      { content: 1, tokens: 10 },
      { content: 2, tokens: 6 },
    ];
    const first = space.chainOf(segments);
    segments.push({ content: 3, tokens: 9 });
    const second = space.chainOf(segments);
    expect(keysOf(second, 4)).toEqual(keysOf(first, 4));
    expect(keysOf(space.chainOf(segments, { count: 2 }), 4)).toEqual(keysOf(first, 4));
    expect(() => first.key(4)).toThrow("no full block 4");
    expect(second.key(5)).toBeGreaterThan(0);
    expect(() => second.key(6)).toThrow("no full block 6");
    expect(() => space.chainOf(segments, { count: 4 })).toThrow("no segment 3");
  });

  test("salts keep chains apart", () => {
    const space = createChainSpace();
    const segments = [{ content: 1, tokens: 64 }];
    const keys = ["", "a", "b"].flatMap((salt) => keysOf(space.chainOf(segments, { salt }), 4));
    expect(new Set(keys).size).toBe(12);
  });
});

describe("chains of token ids", () => {
  test("equal tokens after equal tokens give equal keys, whatever the container or the pieces", () => {
    const space = createTokenChainSpace();
    const tokens = Array.from({ length: 100 }, (_, index) => index * 7919);
    const whole = space.chainOf(tokens);
    const pieces = space.chainOf(Uint32Array.from(tokens.slice(0, 33)));
    pieces.append(tokens.slice(33));
    expect(pieces.tokens).toBe(100);
    expect(keysOf(pieces, 6)).toEqual(keysOf(whole, 6));
    expect(() => whole.key(6)).toThrow("no full block 6");
  });

  test("one other token changes its block and all after it, and nothing before", () => {
    const space = createTokenChainSpace();
    const tokens = Array.from({ length: 96 }, (_, index) => index);
    const other = tokens.with(40, 4711);
    const [left, right] = [keysOf(space.chainOf(tokens), 6), keysOf(space.chainOf(other), 6)];
    expect(left.map((key, index) => key === right[index])).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  test("salts keep chains apart, and cannot be mistaken for tokens", () => {
    const space = createTokenChainSpace({ blockTokens: 2 });
    const keys = ["", "1", "0:1,2|", "|"].flatMap((salt) => [
      ...keysOf(space.chainOf([1, 2, 1, 2], salt), 2),
    ]);
    expect(new Set(keys).size).toBe(8);
  });

  test("memory is bounded: what was not asked for long enough is forgotten, never mixed up", () => {
    const space = createTokenChainSpace({ blockTokens: 1, blocksMax: 100 });
    const early = space.chainOf([1, 2, 3]);
    for (let token = 10; token < 90; token++) space.chainOf([token]);
    expect(keysOf(space.chainOf([1, 2, 3]), 3)).toEqual(keysOf(early, 3));
    for (let token = 1000; token < 1300; token++) space.chainOf([token]);
    const late = keysOf(space.chainOf([1, 2, 3]), 3);
    expect(late.some((key) => keysOf(early, 3).includes(key))).toBe(false);
  });
});
