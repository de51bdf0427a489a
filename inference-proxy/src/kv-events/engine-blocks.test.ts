/**
 * Goal: what placement is told equals what the engine holds, whatever the order and number of
 * copies. Oracle: a plain list of blocks with their whole prefix as text.
 */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { tokenKeys, tokenRoot } from "../prompt/token-keys.ts";
import { readTestdata } from "../testing/recordings.ts";
import { decodeKvMessage } from "./decode.ts";
import { createEngineBlocks, type EngineBlocks } from "./engine-blocks.ts";
import { blocksOfText } from "./text-prompt.ts";
import { cachedTokensOf, createTokenPrompt } from "./token-prompt.ts";
import type { BlocksStored, KvEvent } from "./types.ts";

const blockTokens = 4;

describe("an engine's blocks", () => {
  test("equal a plain model under stores, second copies, removals and clears", () => {
    for (let seed = 0; seed < 40; seed++) runAgainstModel(seed);
  });

  test("without a known beginning are orphans until they are stored behind one", () => {
    const { blocks, told, apply } = follow();
    apply(stored([3n], 2n, [9, 9, 9, 9]));
    expect([blocks.size, blocks.orphans, told.size]).toEqual([1, 1, 0]);
    apply(stored([1n, 2n], undefined, [1, 1, 1, 1, 2, 2, 2, 2]));
    apply(stored([3n], 2n, [9, 9, 9, 9]));
    expect([blocks.orphans, told.size]).toEqual([0, 3]);
    apply(removed(3n), removed(3n));
    expect([blocks.size, told.size]).toEqual([2, 2]);
  });

  test("of another medium, or of a group without full attention, do not count", () => {
    const { blocks, apply } = follow();
    apply(
      { ...stored([1n], undefined, [1, 1, 1, 1]), group: 0, specKind: "sliding_window" },
      { ...stored([1n], undefined, [1, 1, 1, 1]), group: 1, specKind: "full_attention" },
      { ...stored([2n], 1n, [2, 2, 2, 2]), group: 1, medium: "CPU" },
      { ...stored([3n], 1n, [3, 3, 3, 3]), group: 2, specKind: "full_attention" },
      { ...removed(1n), group: 0 },
      { ...removed(1n), group: 1, medium: "CPU" },
    );
    expect(blocks.size).toBe(1);
    apply({ ...removed(1n), group: 1 });
    expect(blocks.size).toBe(0);
  });

  test("of a salt, an adapter and an image have keys of their own", () => {
    const { told, apply } = follow();
    const tokens = [1, 2, 3, 4, 5, 6, 7, 8];
    const plain = stored([1n, 2n], undefined, tokens);
    apply(
      plain,
      { ...stored([3n, 4n], undefined, tokens), extraKeys: [["acme"], undefined] },
      {
        ...stored([5n, 6n], undefined, tokens),
        loraName: "sql",
        extraKeys: [["sql", "acme"], ["sql"]],
      },
      { ...stored([7n, 8n], undefined, tokens), extraKeys: [undefined, [["digest", 1]]] },
    );
    // The image is in the second block: the first is the plain one again.
    expect(told.size).toBe(7);
    for (const [salt, lora] of [
      ["", ""],
      ["acme", ""],
      ["acme", "sql"],
    ] as const) {
      const keys = tokenKeys(tokenRoot({ salt, lora }), tokens, blockTokens);
      expect([...keys].every((key) => told.has(key))).toBe(true);
    }
  });

  test("of a text are told to have left with the block that each chunk ends in", () => {
    const { blocks, told, apply } = follow();
    // Two blocks are there already: the request stores what comes after them.
    apply(stored([1n, 2n], undefined, [1, 1, 1, 1, 2, 2, 2, 2]));
    blocks.watch("req-1", false);
    apply({ ...stored([3n, 4n], 2n, [3, 3, 3, 3, 4, 4, 4, 4]), sessionId: "req-1" });
    apply({ ...stored([5n], 4n, [5, 5, 5, 5]), sessionId: "req-1" });
    // 20 tokens of text in chunks of 8, of which the last is half: they end in blocks 1, 3 and 4.
    const text = { keys: [101, 102, 103], chunkTokens: 8, promptTokens: 20 };
    const blockOf = blocksOfText(text, 20, blockTokens);
    expect([0, 1, 2].map(blockOf)).toEqual([1, 3, 4]);
    expect(blocks.alias("req-1", text.keys, blockOf)).toBe(3);
    expect(blocks.alias("req-1", text.keys, blockOf)).toBe(0);
    expect([...told].filter((key) => key < 200)).toEqual([103, 102, 101]);
    apply(removed(5n), removed(4n));
    expect([...told].filter((key) => key < 200)).toEqual([101]);
    apply(removed(3n), removed(2n));
    expect(told.size).toBe(1);
  });

  test("that a request was told to have found are known, and no copy more", () => {
    const { blocks, told, apply } = follow();
    // Left from before the first event: a chain of three, of which the last is stored again.
    apply(stored([3n], 2n, [3, 3, 3, 3]));
    expect(blocks.orphans).toBe(1);
    blocks.watch("req-1", true);
    const report = stored([1n, 2n, 3n], undefined, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    // A request that has to wait for room is looked up, and told, again.
    apply({ ...report, sessionId: "req-1" }, { ...report, sessionId: "req-1" });
    apply({ ...stored([4n], 3n, [4, 4, 4, 4]), sessionId: "req-1" });
    expect([blocks.orphans, blocks.size, told.size, blocks.reported("req-1")]).toEqual([
      0, 4, 4, 3,
    ]);
    expect(blocks.alias("req-1", [101], () => 0)).toBe(1);
    apply(removed(4n), removed(3n), removed(2n), removed(1n));
    expect([blocks.size, told.size]).toEqual([0, 0]);
  });

  test("of a text that nobody stored, or that is not watched, get no keys", () => {
    const { blocks, told, apply } = follow();
    blocks.watch("cached", false);
    apply({ ...stored([1n], undefined, [1, 1, 1, 1]), sessionId: "unknown" });
    apply({ ...stored([9n], 8n, [1, 1, 1, 1]), sessionId: "orphan" });
    for (const label of ["cached", "unknown", "orphan"]) {
      expect(blocks.alias(label, [101], () => 0)).toBe(0);
    }
    expect(told.size).toBe(1);
  });

  test("beyond the bound are passed over", () => {
    const { blocks, apply } = follow(2);
    apply(stored([1n, 2n, 3n], undefined, new Array(12).fill(1)));
    expect([blocks.size, blocks.overflowed]).toEqual([2, 1]);
  });
});

describe("recorded events", () => {
  test("foretell the cached tokens of a prompt, and know its salt", () => {
    const { blocks } = play("stores");
    expect(blocks.orphans).toBe(0);
    for (const { salt, tokenIds } of recordedChains("stores")) {
      const prompt = createTokenPrompt(tokenIds, { salt, lora: "" });
      expect(depthOf(blocks, prompt.keys(32))).toBe(tokenIds.length / 32);
      const other = createTokenPrompt(tokenIds, { salt: `${salt}x`, lora: "" });
      expect(depthOf(blocks, other.keys(32))).toBe(0);
    }
    expect(recordedChains("stores").some(({ salt }) => salt === "tenant-a")).toBe(true);
  });

  test("with byte hashes, removals and a clear leave only what was stored last", () => {
    const { blocks } = play("removals-and-clear-byte-hashes");
    expect(blocks.size).toBeGreaterThan(0);
    // 64 blocks, of which vLLM keeps one for itself.
    expect(blocks.size).toBeLessThan(64);
  });

  test("of the reference simulator are followed as maps and as arrays", () => {
    for (const name of ["llm-d-sim-maps", "llm-d-sim-arrays"]) {
      expect(play(name).blocks.size).toBeGreaterThan(0);
    }
  });
});

test("the last token of a prompt is always computed", () => {
  expect(cachedTokensOf(2, 32, 64)).toBe(32);
  expect(cachedTokensOf(2, 32, 65)).toBe(64);
  expect(cachedTokensOf(0, 32, 1)).toBe(0);
});

function runAgainstModel(seed: number): void {
  const random = seededRandom(seed);
  const { blocks, told, apply } = follow();
  /** Every block in the engine: its prefix. Two may be alike. */
  let model: string[] = [];
  const hashOf = (prefix: string) => BigInt(Bun.hash(prefix));
  for (let step = 0; step < 200; step++) {
    const chance = random.next();
    if (chance < 0.02) {
      model = [];
      apply({ type: "cleared" });
    } else if (chance < 0.45 && model.length > 0) {
      const [gone] = model.splice(Math.floor(random.next() * model.length), 1);
      apply(removed(hashOf(gone!)));
    } else {
      const start =
        random.next() < 0.3 ? "" : (model[Math.floor(random.next() * model.length)] ?? "");
      let prefix = start;
      const tokens: number[] = [];
      const hashes: bigint[] = [];
      for (let count = 1 + Math.floor(random.next() * 3); count > 0; count--) {
        const block = Math.floor(random.next() * 3);
        prefix += String(block);
        tokens.push(...new Array<number>(blockTokens).fill(block));
        hashes.push(hashOf(prefix));
        model.push(prefix);
      }
      apply(stored(hashes, start === "" ? undefined : hashOf(start), tokens));
    }
    const distinct = new Set(model);
    expect([blocks.size, blocks.orphans, told.size]).toEqual([distinct.size, 0, distinct.size]);
  }
  const root = tokenRoot({ salt: "", lora: "" });
  for (const prefix of model) {
    const tokens = [...prefix].flatMap((digit) =>
      new Array<number>(blockTokens).fill(Number(digit)),
    );
    expect(told.has(tokenKeys(root, tokens, blockTokens).at(-1)!)).toBe(true);
  }
}

/** Blocks, and the keys that a listener believes in. */
function follow(blocksMax = 10_000) {
  const told = new Set<number>();
  const blocks = createEngineBlocks(
    {
      stored(keys) {
        for (const key of keys) told.add(key);
      },
      removed(keys) {
        for (const key of keys) expect(told.delete(key)).toBe(true);
      },
      cleared: () => told.clear(),
      forgotten: () => told.clear(),
    },
    blocksMax,
  );
  const apply = (...events: readonly KvEvent[]) =>
    blocks.apply({ atMs: 0, events, rank: 0, unknownEvents: 0 });
  return { blocks, told, apply };
}

function stored(
  hashes: readonly bigint[],
  parent: bigint | undefined,
  tokenIds: readonly number[],
): BlocksStored {
  return {
    type: "stored",
    hashes,
    parent,
    tokenIds,
    blockTokens,
    loraId: undefined,
    loraName: undefined,
    medium: "GPU",
    extraKeys: undefined,
    group: 0,
    specKind: "full_attention",
    slidingWindow: undefined,
    sessionId: undefined,
  };
}

function removed(hash: bigint) {
  return { type: "removed", hashes: [hash], medium: "GPU", group: 0 } as const;
}

function depthOf(blocks: EngineBlocks, keys: ArrayLike<number>): number {
  let depth = 0;
  while (depth < keys.length && blocks.holds(keys[depth]!)) depth += 1;
  return depth;
}

function messagesOf(name: string) {
  return readTestdata(`kv-events/${name}.jsonl`)
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly frames: readonly string[] })
    .map(({ frames }) =>
      decodeKvMessage(frames.map((hex) => new Uint8Array(Buffer.from(hex, "hex")))),
    );
}

function play(name: string) {
  const followed = follow();
  for (const { batch } of messagesOf(name)) followed.blocks.apply(batch);
  return followed;
}

/** Chains that begin in a recording and were not removed there. */
function recordedChains(name: string) {
  return messagesOf(name)
    .flatMap(({ batch }) => batch.events)
    .filter((event) => event.type === "stored")
    .filter(({ parent }) => parent === undefined)
    .map(({ tokenIds, extraKeys }) => ({ tokenIds, salt: String(extraKeys?.[0]?.[0] ?? "") }));
}
