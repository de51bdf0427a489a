/**
 * Reads the KV events of inference engines, in every form that has been seen: batches as arrays or
 * maps, events as arrays or maps, hashes as integers or bytes. Unknown fields are passed over.
 */
import { WarmpathError } from "@warmpath/runtime/base";
import { MsgpackFault, type MsgpackMap, type MsgpackValue, readMsgpack } from "./msgpack.ts";
import type { BlockHash, KvBatch, KvEvent, KvMessage } from "./types.ts";

const sequenceBytes = 8;

/** vLLM's mark at the end of a replay: the sequence number −1. */
const endSequence = 0xffff_ffff_ffff_ffffn;

/** Field names by position, for events that come as arrays; the first item is the tag. */
const storedFields = [
  "type",
  "block_hashes",
  "parent_block_hash",
  "token_ids",
  "block_size",
  "lora_id",
  "medium",
  "lora_name",
  "extra_keys",
  "group_idx",
  "kv_cache_spec_kind",
  "kv_cache_spec_sliding_window",
  "locality",
  "ownership",
  "session_id",
] as const;
const removedFields = ["type", "block_hashes", "medium", "group_idx"] as const;
const batchFields = ["ts", "events", "data_parallel_rank"] as const;

/** Gives the value of a field, or undefined where it is absent or null. */
type Fields = (name: string) => Exclude<MsgpackValue, null> | undefined;

/** Reads one message: topic, sequence number, batch. Throws `failed-upstream-protocol`. */
export function decodeKvMessage(frames: readonly Uint8Array[]): KvMessage {
  const [topic, sequence, payload] = frames;
  if (frames.length !== 3 || sequence?.length !== sequenceBytes) {
    throw refused(`a message of ${frames.length} frames instead of topic, sequence and batch`);
  }
  return {
    topic: Buffer.from(topic!).toString("utf8"),
    sequence: Number(sequenceOf(sequence)),
    batch: decodeKvBatch(payload!),
  };
}

/**
 * Reads one answer of a replay socket to a DEALER: a message after an empty frame, or undefined for
 * the end mark. Throws `failed-upstream-protocol`.
 */
export function decodeKvReplay(frames: readonly Uint8Array[]): KvMessage | undefined {
  const message = frames[0]?.length === 0 ? frames.slice(1) : frames;
  const sequence = message.at(-2);
  const isEnd =
    message.at(-1)?.length === 0 &&
    sequence?.length === sequenceBytes &&
    sequenceOf(sequence) === endSequence;
  return isEnd ? undefined : decodeKvMessage(message);
}

/** The request for all batches from `sequence` on, for a DEALER. */
export function encodeKvReplayRequest(sequence: number): readonly Uint8Array[] {
  const start = new Uint8Array(sequenceBytes);
  new DataView(start.buffer).setBigUint64(0, BigInt(sequence));
  return [new Uint8Array(), start];
}

/** Reads one batch. Throws `failed-upstream-protocol`. */
export function decodeKvBatch(payload: Uint8Array): KvBatch {
  const batch = fieldsOf(read(payload), batchFields);
  const events = batch?.("events");
  const atS = batch?.("ts");
  if (batch === undefined || !isList(events) || typeof atS !== "number") {
    throw refused("a batch without its time or its events");
  }
  const known: KvEvent[] = [];
  for (const event of events) {
    const decoded = decodeEvent(event);
    if (decoded !== undefined) known.push(decoded);
  }
  return {
    atMs: atS * 1000,
    events: known,
    rank: number(batch("data_parallel_rank")),
    unknownEvents: events.length - known.length,
  };
}

function decodeEvent(event: MsgpackValue): KvEvent | undefined {
  const type = isList(event) ? event[0] : fieldsOf(event, [])?.("type");
  switch (type) {
    case "BlockStored":
      return decodeStored(fieldsOf(event, storedFields)!);
    case "BlockRemoved": {
      const field = fieldsOf(event, removedFields)!;
      return {
        type: "removed",
        hashes: hashes(field("block_hashes")),
        medium: text(field("medium")),
        group: number(field("group_idx")),
      };
    }
    case "AllBlocksCleared":
      return { type: "cleared" };
    default:
      if (typeof type === "string") return undefined;
      throw refused("an event without its type");
  }
}

function decodeStored(field: Fields): KvEvent {
  const parent = field("parent_block_hash");
  const tokenIds = field("token_ids");
  const blockTokens = number(field("block_size"));
  if (!isNumbers(tokenIds) || blockTokens === undefined || !(blockTokens >= 1)) {
    throw refused("stored blocks without their tokens or their size");
  }
  const extraKeys = field("extra_keys");
  return {
    type: "stored",
    hashes: hashes(field("block_hashes")),
    // The simulator of llm-d writes 0 for none.
    parent: parent === undefined || parent === 0 ? undefined : hash(parent),
    tokenIds,
    blockTokens,
    loraId: number(field("lora_id")),
    loraName: text(field("lora_name")),
    medium: text(field("medium")),
    extraKeys: isList(extraKeys)
      ? extraKeys.map((keys) => (isList(keys) ? keys : undefined))
      : undefined,
    group: number(field("group_idx")),
    specKind: text(field("kv_cache_spec_kind")),
    slidingWindow: number(field("kv_cache_spec_sliding_window")),
    sessionId: text(field("session_id")),
  };
}

function fieldsOf(value: MsgpackValue, names: readonly string[]): Fields | undefined {
  if (isList(value)) return (name) => value[names.indexOf(name)] ?? undefined;
  if (isMap(value)) return (name) => value.get(name) ?? undefined;
  return undefined;
}

function hashes(value: MsgpackValue | undefined): readonly BlockHash[] {
  if (!isList(value)) throw refused("blocks without their hashes");
  return value.map(hash);
}

function hash(value: MsgpackValue): BlockHash {
  if (typeof value === "bigint") return BigInt.asUintN(64, value);
  if (typeof value === "number" && Number.isInteger(value)) {
    return BigInt.asUintN(64, BigInt(value));
  }
  if (value instanceof Uint8Array && value.length >= 8) {
    return new DataView(value.buffer, value.byteOffset).getBigUint64(value.length - 8);
  }
  throw refused("a block hash that is neither an integer nor a digest");
}

function sequenceOf(frame: Uint8Array): bigint {
  return new DataView(frame.buffer, frame.byteOffset).getBigUint64(0);
}

function read(payload: Uint8Array): MsgpackValue {
  try {
    return readMsgpack(payload);
  } catch (error) {
    if (!(error instanceof MsgpackFault)) throw error;
    throw refused(`no MessagePack: ${error.message}`, error);
  }
}

function refused(fault: string, cause?: unknown): WarmpathError {
  return new WarmpathError("failed-upstream-protocol", `KV events: ${fault}`, { cause });
}

function isList(value: MsgpackValue | undefined): value is readonly MsgpackValue[] {
  return Array.isArray(value);
}

function isMap(value: MsgpackValue): value is MsgpackMap {
  return value instanceof Map;
}

function isNumbers(value: MsgpackValue | undefined): value is readonly number[] {
  return isList(value) && value.every((item) => typeof item === "number");
}

function number(value: MsgpackValue | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function text(value: MsgpackValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}
