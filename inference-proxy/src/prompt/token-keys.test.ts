import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { nextTokenKey, tokenKeys, tokenRoot } from "./token-keys.ts";

const plain = tokenRoot({ salt: "", lora: "" });
const random = seededRandom(11);
const draw = (count: number) =>
  Array.from({ length: count }, () => Math.floor(random.next() * 150_000));

describe("exact keys", () => {
  test("of a turn begin with those of the turn before it", () => {
    const first = draw(100);
    const second = [...first, ...draw(80)];
    const keys = tokenKeys(plain, second, 16);
    expect(keys.length).toBe(11);
    expect([...tokenKeys(plain, first, 16)]).toEqual([...keys.slice(0, 6)]);
  });

  test("differ from the first different token on, to the end", () => {
    const tokens = draw(256);
    const keys = tokenKeys(plain, tokens, 32);
    for (const at of [0, 31, 32, 100, 255]) {
      const other = tokens.with(at, tokens[at]! + 1);
      const changed = tokenKeys(plain, other, 32);
      const block = Math.floor(at / 32);
      expect([...changed.slice(0, block)]).toEqual([...keys.slice(0, block)]);
      for (let index = block; index < keys.length; index++) {
        expect(changed[index]).not.toBe(keys[index]!);
      }
    }
  });

  test("of another salt, adapter or block size are others", () => {
    const tokens = draw(64);
    const scopes = [
      { salt: "", lora: "" },
      { salt: "acme", lora: "" },
      { salt: "", lora: "acme" },
      { salt: "acme", lora: "sql" },
      { salt: "acme/sql", lora: "" },
      { salt: "acm", lora: "e/sql" },
    ];
    const firsts = scopes.map((scope) => tokenKeys(tokenRoot(scope), tokens, 32)[0]);
    expect(new Set([...firsts, tokenKeys(plain, tokens, 16)[0]]).size).toBe(scopes.length + 1);
  });

  test("are whole numbers below 2^53 that use all their bits, and do not collide", () => {
    const seen = new Set<number>();
    const ones = new Array<number>(53).fill(0);
    let key = plain;
    let strange = 0;
    const count = 200_000;
    for (let block = 0; block < count; block++) {
      // Neighbours that differ in one low bit are the hard case for a hash.
      key = nextTokenKey(block % 2 === 0 ? plain : key, [block >> 1, 7, 7, 7], 0, 4);
      if (!Number.isSafeInteger(key) || key < 0) strange += 1;
      seen.add(key);
      for (let bit = 0; bit < 53; bit++) ones[bit]! += Math.floor(key / 2 ** bit) % 2;
    }
    expect(strange).toBe(0);
    expect(seen.size).toBe(count);
    for (const bits of ones) expect(Math.abs(bits / count - 0.5)).toBeLessThan(0.01);
  });
});
