/**
 * Goal: every event that an engine was ever recorded to send is understood, in each of its forms,
 * and what is no event batch is refused and nothing worse. Oracle: the same bytes read by Python's
 * msgspec, the library that wrote them.
 */
import { describe, expect, test } from "bun:test";
import { seededRandom, WarmpathError } from "@warmpath/runtime/base";
import { readTestdata } from "../testing/recordings.ts";
import { decodeKvBatch, decodeKvMessage, decodeKvReplay, encodeKvReplayRequest } from "./decode.ts";
import { type MsgpackValue, readMsgpack } from "./msgpack.ts";
import type { KvEvent } from "./types.ts";

interface Line {
  readonly label: string;
  readonly frames: readonly string[];
  readonly decoded: readonly [number, readonly Recorded[], number?];
}

/** An event as msgspec read it: a map, or the simulator's array. */
type Recorded = Readonly<Record<string, unknown>> | readonly unknown[];

const recordings = [
  "stores",
  "removals-and-clear-byte-hashes",
  "preemption",
  "burst-identical",
  "dp2-rank0",
  "dp2-rank1",
  "llm-d-sim-maps",
  "llm-d-sim-arrays",
];

describe("recorded messages", () => {
  for (const name of recordings) {
    test(`of ${name} decode to what msgspec read`, () => {
      let sequence: number | undefined;
      for (const { frames, decoded } of linesOf(name)) {
        const message = decodeKvMessage(frames.map(bytesOf));
        expect(message.topic).toBe(bytesOf(frames[0]!).toString());
        // The first messages of these streams were missed; none is missing after that.
        if (sequence !== undefined) expect(message.sequence).toBe(sequence + 1);
        ({ sequence } = message);
        const [ts, events, rank] = decoded;
        expect(message.batch).toEqual({
          atMs: ts * 1000,
          rank: rank ?? undefined,
          unknownEvents: 0,
          events: events.map(expectedEvent),
        });
      }
      expect(sequence).toBeNumber();
    });
  }

  test("of two forms of one batch decode alike", () => {
    const [, stored] = linesOf("stores");
    const map = readMsgpack(bytesOf(stored!.frames[2]!)) as readonly [
      number,
      readonly ReadonlyMap<string, MsgpackValue>[],
      number,
    ];
    const [ts, [event], rank] = map;
    const asIs = decodeKvBatch(bytesOf(stored!.frames[2]!));
    const positional = [...event!.values()];
    expect(decodeKvBatch(pack([ts, [positional], rank]))).toEqual(asIs);
    const named = new Map<string, unknown>([
      ["ts", ts],
      ["events", [event]],
      ["data_parallel_rank", rank],
      ["a_field_of_tomorrow", new Map([["x", [1, 2]]])],
    ]);
    expect(decodeKvBatch(pack(named))).toEqual(asIs);
  });
});

describe("a replay", () => {
  // The recording's replies as they came to a libzmq DEALER.
  const replay = JSON.parse(readTestdata("kv-events/replay.json").toString()) as Readonly<
    Record<"replies" | "fromZero" | "future", readonly (readonly string[])[]>
  > & { readonly request: readonly string[] };

  test("is asked for with the recorded frames", () => {
    expect(encodeKvReplayRequest(0x39).map((frame) => Buffer.from(frame).toString("hex"))).toEqual([
      ...replay.request,
    ]);
  });

  test("is read up to its end mark", () => {
    const read = (replies: readonly (readonly string[])[]) =>
      replies.map((frames) => decodeKvReplay(frames.map(bytesOf))?.sequence);
    expect(read(replay.replies)).toEqual([0x39, 0x3a, undefined]);
    expect(read(replay.fromZero)).toEqual([0, 1, 2, undefined]);
    expect(read(replay.future)).toEqual([undefined]);
  });
});

describe("hashes", () => {
  test("that are signed, small or digests get the name that unsigned ones have", () => {
    const batch = (hash: unknown) =>
      decodeKvBatch(pack([1.5, [new Map(Object.entries(removed(hash)))]])).events[0];
    const name = 0xffff_ffff_ffff_fff0n;
    expect(batch(name)).toMatchObject({ hashes: [name] });
    expect(batch(-16)).toMatchObject({ hashes: [name] });
    expect(batch(bytesOf(`${"00".repeat(24)}fffffffffffffff0`))).toMatchObject({ hashes: [name] });
    expect(batch(7)).toMatchObject({ hashes: [7n] });
  });
});

describe("what is no event batch", () => {
  test("is refused with what is wrong", () => {
    const cases: readonly [Uint8Array, string][] = [
      [new Uint8Array(), "KV events: no MessagePack: ends early"],
      [Uint8Array.of(0xc1), "KV events: no MessagePack: unknown type 0xc1"],
      [Uint8Array.of(1, 2), "KV events: no MessagePack: 1 bytes too many"],
      [Uint8Array.of(0xdd, 255, 255, 255, 255), "KV events: no MessagePack: ends early"],
      [new Uint8Array(40).fill(0x91), "KV events: no MessagePack: nested too deeply"],
      [pack(7), "KV events: a batch without its time or its events"],
      [pack([1.5, [3]]), "KV events: an event without its type"],
      [
        pack([1.5, [["BlockStored", [1], null, [], 0, null]]]),
        "KV events: stored blocks without their tokens",
      ],
      [pack([1.5, [["BlockStored", [1], null]]]), "KV events: stored blocks without their tokens"],
      [pack([1.5, [["BlockRemoved", 5]]]), "KV events: blocks without their hashes"],
      [pack([1.5, [["BlockRemoved", ["x"]]]]), "KV events: a block hash that is neither"],
    ];
    for (const [payload, fault] of cases) expect(() => decodeKvBatch(payload)).toThrow(fault);
    expect(() => decodeKvMessage([new Uint8Array()])).toThrow("a message of 1 frames instead of");
  });

  test("an event of an unknown kind is counted and left out", () => {
    const batch = decodeKvBatch(pack([1.5, [["BlockPinned", [1]], ["AllBlocksCleared"]], 3]));
    expect(batch).toEqual({
      atMs: 1500,
      events: [{ type: "cleared" }],
      rank: 3,
      unknownEvents: 1,
    });
  });

  test("a recorded batch with any byte changed, or cut anywhere, never ends in another error", () => {
    const random = seededRandom(11);
    const payload = bytesOf(linesOf("removals-and-clear-byte-hashes")[12]!.frames[2]!);
    const attempt = (bytes: Uint8Array) => {
      try {
        decodeKvBatch(bytes);
      } catch (error) {
        if (!(error instanceof WarmpathError)) throw error;
        expect(error.reason).toBe("failed-upstream-protocol");
      }
    };
    for (let index = 0; index < payload.length; index++) {
      attempt(payload.subarray(0, index));
      const changed = new Uint8Array(payload);
      changed[index] = Math.floor(random.next() * 256);
      attempt(changed);
    }
  });
});

function expectedEvent(event: Recorded): KvEvent {
  const names = [
    ...["type", "block_hashes", "parent_block_hash", "token_ids", "block_size", "lora_id"],
    ...["medium", "lora_name", "extra_keys", "group_idx", "kv_cache_spec_kind"],
  ];
  const removedNames = ["type", "block_hashes", "medium", "group_idx"];
  const isRemoved = Array.isArray(event) && event[0] === "BlockRemoved";
  const fields: Readonly<Record<string, unknown>> = Array.isArray(event)
    ? Object.fromEntries(event.map((value, at) => [(isRemoved ? removedNames : names)[at], value]))
    : (event as Readonly<Record<string, unknown>>);
  const field = (name: string) => (fields[name] ?? undefined) as never;
  const hashes = () => (fields["block_hashes"] as unknown[]).map(recordedHash);
  switch (fields["type"]) {
    case "AllBlocksCleared":
      return { type: "cleared" };
    case "BlockRemoved":
      return {
        type: "removed",
        hashes: hashes(),
        medium: field("medium"),
        group: field("group_idx"),
      };
    default: {
      const parent = fields["parent_block_hash"] || undefined;
      const extraKeys = fields["extra_keys"] as (string[] | null)[] | undefined;
      return {
        type: "stored",
        hashes: hashes(),
        parent: parent === undefined ? undefined : recordedHash(parent),
        tokenIds: field("token_ids"),
        blockTokens: field("block_size"),
        loraId: field("lora_id"),
        loraName: field("lora_name"),
        medium: field("medium"),
        extraKeys: extraKeys?.map((keys) => keys ?? undefined),
        group: field("group_idx"),
        specKind: field("kv_cache_spec_kind"),
        slidingWindow: undefined,
        sessionId: field("session_id"),
      };
    }
  }
}

function recordedHash(hash: unknown): bigint {
  if (typeof hash === "object") {
    return BigInt(`0x${(hash as { hex: string }).hex.slice(-16)}`);
  }
  return BigInt(hash as string | number);
}

function removed(hash: unknown): Readonly<Record<string, unknown>> {
  return { type: "BlockRemoved", block_hashes: [hash], medium: "GPU" };
}

function linesOf(name: string): readonly Line[] {
  return readTestdata(`kv-events/${name}.jsonl`)
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

/** A plain MessagePack writer for the few shapes that these tests make up. */
function pack(value: unknown): Buffer {
  if (value === null || value === undefined) return Buffer.of(0xc0);
  if (typeof value === "string") {
    return Buffer.concat([Buffer.of(0xd9, value.length), Buffer.from(value)]);
  }
  if (typeof value === "bigint") {
    const bytes = Buffer.alloc(9, 0xcf);
    bytes.writeBigUInt64BE(value, 1);
    return bytes;
  }
  if (typeof value === "number") {
    const isSmall = Number.isInteger(value) && value >= 0 && value < 128;
    if (isSmall) return Buffer.of(value);
    const bytes = Buffer.alloc(9, Number.isInteger(value) ? 0xd3 : 0xcb);
    if (Number.isInteger(value)) bytes.writeBigInt64BE(BigInt(value), 1);
    else bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (value instanceof Uint8Array) {
    return Buffer.concat([Buffer.of(0xc4, value.length), value]);
  }
  const items = value instanceof Map ? [...value].flat() : (value as readonly unknown[]);
  const head = Buffer.alloc(5, value instanceof Map ? 0xdf : 0xdd);
  head.writeUInt32BE(value instanceof Map ? value.size : items.length, 1);
  return Buffer.concat([head, ...items.map(pack)]);
}
