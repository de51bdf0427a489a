/**
 * The MessagePack batches that vLLM publishes. Field order and number widths are those of its
 * encoder (msgspec), so that the bytes of a recorded batch can be made again.
 */
import { Encoder } from "@msgpack/msgpack";

/** Events as maps with named fields (vLLM 0.32), or as arrays by position (before #42892). */
export type EventFormat = "map" | "array";

/** A hash as the wire has it: an unsigned 64-bit integer, or 32 bytes. */
export type WireHash = bigint | Uint8Array;

/** One event, in vLLM's names; every cache here is the GPU's full attention cache, group 0. */
export type WireEvent =
  | {
      readonly type: "BlockStored";
      readonly hashes: readonly WireHash[];
      readonly parent: WireHash | undefined;
      readonly tokenIds: readonly number[];
      readonly blockTokens: number;
      /** For each block the salt, in the first block of a salted request. */
      readonly extraKeys: readonly (readonly string[] | null)[];
      readonly sessionId: string | undefined;
    }
  | { readonly type: "BlockRemoved"; readonly hash: WireHash }
  | { readonly type: "AllBlocksCleared" };

const encoder = new Encoder({ useBigInt64: true });

/** The payload of one message: `[timestamp in s, events, data-parallel rank]`. */
export function encodeBatch(
  timestampS: number,
  events: readonly WireEvent[],
  rank: number,
  format: EventFormat,
): Uint8Array {
  const shape: (event: WireEvent) => unknown = format === "map" ? mapOf : arrayOf;
  // A whole number would be written as an integer, and the field is a float. A microsecond
  // more is far below what anybody measures here.
  const ts = Number.isInteger(timestampS) ? timestampS + 2 ** -20 : timestampS;
  return encoder.encode([ts, events.map(shape), rank]);
}

function mapOf(event: WireEvent): Readonly<Record<string, unknown>> {
  const { type } = event;
  switch (type) {
    case "BlockStored":
      return {
        type,
        block_hashes: event.hashes.map(wireHash),
        parent_block_hash: event.parent === undefined ? null : wireHash(event.parent),
        token_ids: event.tokenIds,
        block_size: event.blockTokens,
        lora_id: null,
        medium: "GPU",
        lora_name: null,
        extra_keys: event.extraKeys,
        group_idx: 0,
        kv_cache_spec_kind: "full_attention",
        ...(event.sessionId === undefined ? {} : { session_id: event.sessionId }),
      };
    case "BlockRemoved":
      return { type, block_hashes: [wireHash(event.hash)], medium: "GPU", group_idx: 0 };
    case "AllBlocksCleared":
      return { type };
  }
}

/** The positions are the order of the fields in vLLM's classes. */
function arrayOf(event: WireEvent): readonly unknown[] {
  const { type } = event;
  switch (type) {
    case "BlockStored":
      return [
        type,
        event.hashes.map(wireHash),
        event.parent === undefined ? null : wireHash(event.parent),
        event.tokenIds,
        event.blockTokens,
        null,
        "GPU",
        null,
        event.extraKeys,
        0,
        "full_attention",
      ];
    case "BlockRemoved":
      return [type, [wireHash(event.hash)], "GPU", 0];
    case "AllBlocksCleared":
      return [type];
  }
}

/** Small integers are written in few bytes, as everywhere in MessagePack. */
function wireHash(hash: WireHash): WireHash | number {
  return typeof hash === "bigint" && hash <= 0xffff_ffffn ? Number(hash) : hash;
}
