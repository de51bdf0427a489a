import { describe, expect, test } from "bun:test";
import { chainOf, createPrefixMemory } from "./index.ts";

const hash = (bytes: Uint8Array | string, seed: bigint) => Bun.hash.xxHash64(bytes, seed);

describe("createPrefixMemory()", () => {
  test("the next turn finds the replica of the turn before it", () => {
    const memory = createPrefixMemory({ entriesMax: 10 });
    memory.remember(chainOf(["s", "u1"], "tenant/m", hash), "a");
    const next = chainOf(["s", "u1", "a1", "u2"], "tenant/m", hash);
    expect(memory.recall(next)).toEqual({ replica: "a", messages: 2 });
    expect(memory.recall(chainOf(["s", "other"], "tenant/m", hash))).toBeUndefined();
    expect(memory.recall(chainOf([], "tenant/m", hash))).toBeUndefined();
  });

  test("equal text of another tenant is another prefix", () => {
    const memory = createPrefixMemory({ entriesMax: 10 });
    memory.remember(chainOf(["u1"], "one/m", hash), "a");
    expect(memory.recall(chainOf(["u1"], "two/m", hash))).toBeUndefined();
  });

  test("forgets the oldest beyond entriesMax", () => {
    const memory = createPrefixMemory({ entriesMax: 2 });
    const chains = ["x", "y", "z"].map((text) => chainOf([text], "t/m", hash));
    for (const chain of chains) {
      memory.remember(chain, "a");
    }
    expect(chains.map((chain) => memory.recall(chain) !== undefined)).toEqual([false, true, true]);
  });
});
