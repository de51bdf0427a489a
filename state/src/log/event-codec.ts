import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Event, EventSchema } from "@warmpath/proto/log";
import { WarmpathError } from "@warmpath/runtime/base";
import type { StoredEvent } from "./types.ts";

/**
 * Version of the event schema that this code writes, and the newest that it reads. Rises when an
 * old reader must not go on.
 */
export const eventSchemaVersion = 1;

/** An event ready to be stored. */
export interface EncodedEvent {
  readonly kind: string;
  readonly payload: Uint8Array;
}

/** Bytes of an event. Throws `rejected-invalid` for one that the log's rules forbid. */
export function encodeEvent(event: Event): EncodedEvent {
  const { kind } = event;
  if (kind.case === undefined) {
    throw new WarmpathError("rejected-invalid", "an event to append has no kind");
  }
  if (kind.case === "toolsExecuting" && kind.value.calls.length !== 1) {
    throw new WarmpathError("rejected-invalid", "a ToolsExecuting event holds exactly one call");
  }
  if (kind.case === "toolsFinished" && kind.value.results.length !== 1) {
    throw new WarmpathError("rejected-invalid", "a ToolsFinished event holds exactly one result");
  }
  return { kind: kind.case, payload: toBinary(EventSchema, event) };
}

/** Columns of an event as selected by `eventColumns`. */
export interface EventRow {
  readonly seq: bigint;
  readonly epoch: bigint;
  readonly kind: string;
  readonly schema_version: number;
  readonly recorded_at: number;
  readonly trace_id: string;
  readonly payload: Uint8Array;
}

/** Column list for {@link EventRow}. */
export const eventColumns = "seq, epoch, kind, schema_version, recorded_at, trace_id, payload";

/** A stored event from its row. */
export function storedEventFromRow(row: EventRow): StoredEvent {
  return {
    seq: row.seq,
    epoch: row.epoch,
    kind: row.kind,
    schemaVersion: row.schema_version,
    recordedAtMs: row.recorded_at,
    traceId: row.trace_id,
    event: fromBinary(EventSchema, row.payload),
  };
}
