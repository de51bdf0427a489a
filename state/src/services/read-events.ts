import { create } from "@bufbuild/protobuf";
import type { TextDelta } from "@warmpath/proto/common";
import type { ToolIntent } from "@warmpath/proto/log";
import {
  ReadEventSchema,
  type ReadEventsResponse,
  ReadEventsResponseSchema,
} from "@warmpath/proto/state";
import type { HotStore } from "../hot/hot-store.ts";
import { hex } from "../log/bytes.ts";
import { type EventRow, eventColumns, storedEventFromRow } from "../log/event-codec.ts";
import { readLive } from "../log/live.ts";
import { readMessages } from "../log/read.ts";
import { taskNotFound } from "../log/send-message.ts";
import type { StateName, StoredEvent, TaskRef } from "../log/types.ts";
import type { Sql } from "../store/sql.ts";
import { hashesOf, viewOf } from "./event-view.ts";
import { cutToPageBytes } from "./page-bytes.ts";

/** Events of a page when the request does not say. */
const limitDefault = 200;

/**
 * A page of a task's events as watchers see them: one query each for head, events, messages, and
 * the intents of the step that the page begins in. The live text is read first, so that it is never
 * ahead of the events.
 */
export async function readEvents(
  sql: Sql,
  hot: HotStore,
  ref: TaskRef,
  request: { readonly afterSeq: bigint; readonly limit: number },
): Promise<ReadEventsResponse> {
  const limit = request.limit === 0 ? limitDefault : request.limit;
  const live = await readLive(hot, ref);
  const [head] = await sql.query<{ state: StateName; steps: number }>(
    "select state, steps from tasks where tenant = $1 and task_id = $2",
    [ref.tenant, ref.taskId],
  );
  if (head === undefined) {
    throw taskNotFound(ref.taskId);
  }
  const rows = await sql.query<EventRow>(
    `select ${eventColumns} from events where tenant = $1 and task_id = $2 and seq > $3
     order by seq limit $4`,
    [ref.tenant, ref.taskId, request.afterSeq, limit + 1],
  );
  const events = await fittingEvents(sql, ref, rows.slice(0, limit));
  const messages = await readMessages(sql, ref.tenant, events.flatMap(hashesOf));
  const intents = await intentsOf(sql, ref, events);
  const hasMore = rows.length > events.length;
  return create(ReadEventsResponseSchema, {
    events: events.map((event) =>
      create(ReadEventSchema, {
        event: viewOf(event, { messages, intents }),
        attempt: event.event.kind.case === "modelAnswered" ? event.event.kind.value.attempt : 0n,
      }),
    ),
    hasMore,
    ...(!hasMore && isUnrecorded(live, head) ? { live } : {}),
  });
}

/** As many events as one page takes with their messages; only sizes are read to find out. */
async function fittingEvents(
  sql: Sql,
  ref: TaskRef,
  rows: readonly EventRow[],
): Promise<StoredEvent[]> {
  const events = rows.map((row) => ({ row, stored: storedEventFromRow(row) }));
  const hashes = events.flatMap(({ stored }) => hashesOf(stored));
  const sizes = await sql.query<{ hash: Uint8Array; bytes: number }>(
    `select hash, octet_length(payload) as bytes from messages
     where tenant = $1 and hash = any($2::bytea[])`,
    [ref.tenant, hashes],
  );
  const bytesByHash = new Map(sizes.map(({ hash, bytes }) => [hex(hash), bytes]));
  const bytesOf = ({ row, stored }: (typeof events)[number]) =>
    hashesOf(stored).reduce(
      (sum, hash) => sum + (bytesByHash.get(hex(hash)) ?? 0),
      row.payload.length,
    );
  return cutToPageBytes(events, bytesOf).map(({ stored }) => stored);
}

/** A text in progress belongs to a step that no recorded answer has reached. */
function isUnrecorded(
  live: TextDelta | undefined,
  head: { readonly state: StateName; readonly steps: number },
): live is TextDelta {
  return live !== undefined && head.state === "RUNNING" && live.step > head.steps;
}

/**
 * Intents by call id; those of the answer before the page, too, if the page begins among its calls.
 */
async function intentsOf(
  sql: Sql,
  ref: TaskRef,
  events: readonly StoredEvent[],
): Promise<Map<string, ToolIntent>> {
  const intents = new Map<string, ToolIntent>();
  const add = (event: StoredEvent) => {
    if (event.event.kind.case === "modelAnswered") {
      for (const intent of event.event.kind.value.intents) {
        intents.set(intent.callId, intent);
      }
    }
  };
  events.forEach(add);
  const first = events.find((event) => event.kind === "modelAnswered")?.seq;
  const orphan = events.find(
    (event) =>
      (event.kind === "toolsExecuting" || event.kind === "toolsFinished") &&
      (first === undefined || event.seq < first),
  );
  if (orphan !== undefined) {
    const rows = await sql.query<EventRow>(
      `select ${eventColumns} from events
       where tenant = $1 and task_id = $2 and seq < $3 and kind = 'modelAnswered'
       order by seq desc limit 1`,
      [ref.tenant, ref.taskId, orphan.seq],
    );
    rows.map(storedEventFromRow).forEach(add);
  }
  return intents;
}
