import { createHash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { FailureSchema, type Message, MessageSchema, UsageSchema } from "@warmpath/proto/common";
import type { Sql } from "../store/sql.ts";
import { hex, textFromUtf8 } from "./bytes.ts";
import type { EndedStateName, Input, TaskRef } from "./types.ts";

/** See `TaskLog.messages`. */
export async function readMessages(
  sql: Sql,
  tenant: string,
  hashes: readonly Uint8Array[],
): Promise<Map<string, Message>> {
  if (hashes.length === 0) {
    return new Map();
  }
  const rows = await sql.query<{ hash: Uint8Array; payload: Uint8Array }>(
    "select hash, payload from messages where tenant = $1 and hash = any($2::bytea[])",
    [tenant, hashes],
  );
  return new Map(rows.map((row) => [hex(row.hash), fromBinary(MessageSchema, row.payload)]));
}

interface InputRow {
  readonly input_id: bigint;
  readonly kind: Input["kind"];
  readonly message_hash: Uint8Array | null;
  readonly message: Uint8Array | null;
  readonly child_task_id: string | null;
  readonly call_id: Uint8Array | null;
  readonly child_state: EndedStateName | null;
  readonly child_answer: Uint8Array | null;
  readonly child_failure: Uint8Array | null;
  readonly child_usage: Uint8Array | null;
}

/** See `TaskLog.inputs`. */
export async function readInputs(sql: Sql, ref: TaskRef): Promise<Input[]> {
  const rows = await sql.query<InputRow>(
    `select i.input_id, i.kind, i.message_hash, m.payload as message, i.child_task_id, i.call_id,
       c.state as child_state, c.answer as child_answer, c.failure as child_failure,
       c.usage as child_usage
     from inbox i
     left join messages m on m.tenant = i.tenant and m.hash = i.message_hash
     left join tasks c on c.tenant = i.tenant and c.task_id = i.child_task_id
     where i.tenant = $1 and i.task_id = $2 order by i.input_id`,
    [ref.tenant, ref.taskId],
  );
  return rows.map(inputFromRow);
}

function inputFromRow(row: InputRow): Input {
  const { inputId, kind } = { inputId: row.input_id, kind: row.kind };
  if (kind === "message" && row.message !== null && row.message_hash !== null) {
    const message = fromBinary(MessageSchema, row.message);
    return { inputId, kind, messageHash: row.message_hash, message };
  }
  if (kind === "child-ended" && row.child_task_id !== null && row.child_state !== null) {
    return {
      inputId,
      kind,
      childTaskId: row.child_task_id,
      callId: textFromUtf8(row.call_id),
      childState: row.child_state,
      childAnswer: textFromUtf8(row.child_answer),
      ...(row.child_failure === null
        ? {}
        : { childFailure: fromBinary(FailureSchema, row.child_failure) }),
      ...(row.child_usage === null ? {} : { childUsage: fromBinary(UsageSchema, row.child_usage) }),
    };
  }
  return { inputId, kind };
}

/** See `TaskLog.putBlob`. */
export async function putBlob(sql: Sql, tenant: string, bytes: Uint8Array): Promise<Uint8Array> {
  const hash = createHash("sha256").update(bytes).digest();
  await sql.query(
    "insert into blobs (tenant, hash, payload) values ($1, $2, $3) on conflict do nothing",
    [tenant, hash, bytes],
  );
  return hash;
}

/** See `TaskLog.blob`. */
export async function readBlob(
  sql: Sql,
  tenant: string,
  hash: Uint8Array,
): Promise<Uint8Array | undefined> {
  const [row] = await sql.query<{ payload: Uint8Array }>(
    "select payload from blobs where tenant = $1 and hash = $2",
    [tenant, hash],
  );
  return row?.payload;
}
