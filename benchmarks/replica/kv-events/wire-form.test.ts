/**
 * Goal: what the replica publishes cannot be told from what a vLLM published.
 * Method: recorded batches are made again from their content, and compared byte for byte.
 */
import { describe, expect, test } from "bun:test";
import { decodeKvBatch } from "@warmpath/inference-proxy/kv-events";
import { readTestdata } from "@warmpath/inference-proxy/testing";
import type { CacheEvent } from "../../engine/types.ts";
import { blockDigest, rootDigest, shortHash } from "./block-hashes.ts";
import { createBlockNames } from "./name-blocks.ts";
import type { StoredTokens } from "./types.ts";
import { encodeBatch, type WireEvent, type WireHash } from "./wire-batch.ts";

/** Blocks of the recorded engines. */
const blockTokens = 32;

/** What a recorded line says, as msgspec read it. */
interface Line {
  readonly frames: readonly string[];
  readonly decoded: readonly [number, readonly RecordedEvent[], number];
}

type RecordedHash = { readonly hex: string } | string | number;

type RecordedEvent =
  | {
      readonly type: "BlockStored";
      readonly block_hashes: readonly RecordedHash[];
      readonly parent_block_hash: RecordedHash | null;
      readonly token_ids: readonly number[];
      readonly extra_keys: readonly (readonly string[] | null)[];
      readonly session_id?: string;
    }
  | { readonly type: "BlockRemoved"; readonly block_hashes: readonly RecordedHash[] }
  | { readonly type: "AllBlocksCleared" };

describe("a batch with recorded content", () => {
  for (const name of ["stores", "dp2-rank0", "dp2-rank1", "burst-identical", "preemption"]) {
    test(`of ${name} has the recorded bytes`, () => {
      for (const { frames, decoded } of linesOf(name)) {
        const [ts, events, rank] = decoded;
        const payload = encodeBatch(ts, events.map(wireEventOf), rank, "map");
        expect(Buffer.from(payload).toString("hex")).toBe(frames[2]!);
      }
    });
  }

  test("as arrays by position says the same", () => {
    for (const { decoded } of linesOf("removals-and-clear-byte-hashes")) {
      const [ts, events, rank] = decoded;
      const wire = events.map(wireEventOf);
      expect(decodeKvBatch(encodeBatch(ts, wire, rank, "array"))).toEqual(
        decodeKvBatch(encodeBatch(ts, wire, rank, "map")),
      );
    }
  });

  test("writes small hashes and whole seconds as msgspec does", () => {
    const removed: WireEvent = { type: "BlockRemoved", hash: 5n };
    const payload = Buffer.from(encodeBatch(1795193756, [removed], 0, "map"));
    expect(payload.toString("hex")).toContain("ac626c6f636b5f6861736865739105");
    expect(payload[1]).toBe(0xcb);
  });
});

describe("block hashes", () => {
  test("of a recorded sha256_cbor engine are computed again, digest by digest", () => {
    const root = rootDigest("0");
    let compared = 0;
    for (const name of ["removals-and-clear-byte-hashes", "preemption"]) {
      for (const { decoded } of linesOf(name)) {
        for (const event of decoded[1]) {
          if (event.type !== "BlockStored") continue;
          let before = event.parent_block_hash === null ? root : bytesOf(event.parent_block_hash);
          for (const [index, hash] of event.block_hashes.entries()) {
            const tokens = event.token_ids.slice(index * blockTokens, (index + 1) * blockTokens);
            const salts = event.extra_keys[index]?.map((salt) => ["cache_salt", salt] as const);
            before = blockDigest(before, tokens, salts);
            expect(Buffer.from(before).toString("hex")).toBe(bytesOf(hash).toString("hex"));
            compared += 1;
          }
        }
      }
    }
    expect(compared).toBeGreaterThan(300);
  });

  test("are named by their low 64 bits", () => {
    const digest = Buffer.from(`${"11".repeat(24)}fedcba9876543210`, "hex");
    expect(shortHash(digest)).toBe(0xfedcba9876543210n);
  });

  test("depend on the salt in the first block only, and on the seed", () => {
    const wire = (salt: string | undefined, seed: string) => {
      const names = createBlockNames(
        storeOf(() => ({ tokens: sequence(96), salt })),
        {
          hash: "int",
          seed,
        },
      );
      const event: CacheEvent = storedEvent(0, [1, 2, 3], undefined);
      const told = names.wireEvent(event);
      return told?.type === "BlockStored" ? told : undefined;
    };
    const plain = wire(undefined, "s")!;
    const salted = wire("tenant-a", "s")!;
    expect(plain.extraKeys).toEqual([null, null, null]);
    expect(salted.extraKeys).toEqual([["tenant-a"], null, null]);
    const distinct = new Set([...plain.hashes, ...salted.hashes, ...wire(undefined, "t")!.hashes]);
    expect(distinct.size).toBe(9);
  });
});

describe("a recorded stream through the publisher's own names", () => {
  test("comes out with the recorded bytes, wherever it tells all that is needed", () => {
    let compared = 0;
    for (const name of ["removals-and-clear-byte-hashes", "preemption"]) {
      const player = createPlayer();
      for (const { frames, decoded } of linesOf(name)) {
        const wire = decoded[1].map((event) => player.play(event));
        // The recording began in the middle: blocks that were stored before it have no tokens.
        if (wire.some((event) => event === undefined)) continue;
        const events = wire.filter((event) => event !== undefined);
        const payload = encodeBatch(decoded[0], events, decoded[2], "map");
        expect(Buffer.from(payload).toString("hex")).toBe(frames[2]!);
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(90);
  });

  test("a block that is stored twice is known until its second copy goes", () => {
    const names = createBlockNames(
      storeOf(() => ({ tokens: sequence(32), salt: undefined })),
      {
        hash: "int",
        seed: "s",
      },
    );
    names.wireEvent(storedEvent(0, [1], undefined));
    names.wireEvent(storedEvent(0, [1], undefined));
    expect(names.wireEvent({ type: "removed", key: 1 })?.type).toBe("BlockRemoved");
    expect(names.size).toBe(1);
    expect(names.wireEvent({ type: "removed", key: 1 })?.type).toBe("BlockRemoved");
    expect(names.size).toBe(0);
    expect(names.wireEvent({ type: "removed", key: 1 })).toBeUndefined();
  });

  test("a parent that is not known is hashed again from the first block on", () => {
    const store = storeOf(() => ({ tokens: sequence(96), salt: "x" }));
    const inOrder = createBlockNames(store, { hash: "int", seed: "s" });
    const late = createBlockNames(store, { hash: "int", seed: "s" });
    inOrder.wireEvent(storedEvent(0, [1, 2], undefined));
    expect(late.wireEvent(storedEvent(2, [3], 2))).toEqual(
      inOrder.wireEvent(storedEvent(2, [3], 2))!,
    );
  });
});

/** Plays recorded events as if an engine had told them, with keys instead of hashes. */
function createPlayer() {
  const keys = new Map<string, number>();
  /** Place in its chain of each block seen. */
  const places = new Map<number, number>();
  let current: { readonly first: number; readonly tokens: readonly number[]; salt?: string };
  const keyOf = (hash: RecordedHash): number => {
    const name = bytesOf(hash).toString("hex");
    const key = keys.get(name) ?? keys.size + 1;
    keys.set(name, key);
    return key;
  };
  const names = createBlockNames(
    {
      blockTokens,
      tokensOf: (_, first, count) =>
        first < current.first
          ? []
          : current.tokens.slice(
              (first - current.first) * blockTokens,
              (first - current.first + count) * blockTokens,
            ),
      saltOf: () => current.salt,
      sessionOf: () => undefined,
      isLost: () => false,
    },
    { hash: "bytes", seed: "0" },
  );
  return {
    play(event: RecordedEvent): WireEvent | undefined {
      if (event.type === "AllBlocksCleared") return names.wireEvent({ type: "cleared" });
      if (event.type === "BlockRemoved") {
        return names.wireEvent({ type: "removed", key: keyOf(event.block_hashes[0]!) });
      }
      const parentKey =
        event.parent_block_hash === null ? undefined : keyOf(event.parent_block_hash);
      const first = parentKey === undefined ? 0 : (places.get(parentKey) ?? 0) + 1;
      const salt = event.extra_keys[0]?.[0];
      current = { first, tokens: event.token_ids, ...(salt === undefined ? {} : { salt }) };
      const stored = event.block_hashes.map(keyOf);
      for (const [index, key] of stored.entries()) places.set(key, first + index);
      return names.wireEvent(storedEvent(first, stored, parentKey));
    },
  };
}

function wireEventOf(event: RecordedEvent): WireEvent {
  switch (event.type) {
    case "AllBlocksCleared":
      return { type: event.type };
    case "BlockRemoved":
      return { type: event.type, hash: wireHashOf(event.block_hashes[0]!) };
    case "BlockStored":
      return {
        type: event.type,
        hashes: event.block_hashes.map(wireHashOf),
        parent: event.parent_block_hash === null ? undefined : wireHashOf(event.parent_block_hash),
        tokenIds: event.token_ids,
        blockTokens,
        extraKeys: event.extra_keys,
        sessionId: event.session_id,
      };
  }
}

function wireHashOf(hash: RecordedHash): WireHash {
  return typeof hash === "object" ? bytesOf(hash) : BigInt(hash);
}

function bytesOf(hash: RecordedHash): Buffer {
  if (typeof hash !== "object") throw new Error("this recording has digests");
  return Buffer.from(hash.hex, "hex");
}

function storedEvent(
  firstBlock: number,
  keys: readonly number[],
  parentKey: number | undefined,
): CacheEvent & { type: "stored" } {
  return { type: "stored", requestId: 1, firstBlock, keys, parentKey };
}

function storeOf(
  request: () => { readonly tokens: readonly number[]; readonly salt: string | undefined },
): StoredTokens {
  return {
    blockTokens,
    tokensOf: (_, first, count) =>
      request().tokens.slice(first * blockTokens, (first + count) * blockTokens),
    saltOf: () => request().salt,
    sessionOf: () => undefined,
    isLost: () => false,
  };
}

function sequence(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index * 7);
}

function linesOf(name: string): readonly Line[] {
  return readTestdata(`kv-events/${name}.jsonl`)
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}
