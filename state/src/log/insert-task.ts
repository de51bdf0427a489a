import { create, toBinary } from "@bufbuild/protobuf";
import { UsageSchema } from "@warmpath/proto/common";
import type { Sql } from "../store/sql.ts";
import { utf8Prefix } from "./bytes.ts";
import { eventSchemaVersion } from "./event-codec.ts";
import type { LaneName } from "./types.ts";

/** A task to insert QUEUED with its Submitted event. Its message is stored by the caller. */
export interface NewTaskRow {
  readonly tenant: string;
  readonly taskId: string;
  readonly userId: Uint8Array;
  readonly keyId: string;
  /** JSON array of agent names, as UTF-8. */
  readonly agentChain: Uint8Array;
  readonly agent: string;
  readonly threadId: Uint8Array | null;
  readonly threadOrder: bigint;
  readonly lane: LaneName;
  readonly messageHash: Uint8Array;
  readonly promptText: string;
  readonly parentTaskId: string | null;
  readonly parentCallId: Uint8Array | null;
  readonly rootTaskId: string;
  readonly depth: number;
  readonly traceparent: string;
  readonly actor: Uint8Array;
  /** Bytes of the Submitted event. */
  readonly submitted: Uint8Array;
}

/** How much of the prompt a task's head shows, in bytes: the whole is in the message. */
export const promptBytesMax = 4096;

/** A head's usage before the first step. */
export const noUsage = toBinary(UsageSchema, create(UsageSchema));

/**
 * Inserts children and their first events in one statement. Their messages are stored with the
 * parent's.
 */
export async function insertTasks(tx: Sql, rows: readonly NewTaskRow[]): Promise<void> {
  if (rows.length === 0) {
    return;
  }
  await tx.query(
    `with t as (
       select * from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::bytea[],
         $6::text[], $7::bytea[], $8::bigint[], $9::text[], $10::bytea[], $11::bytea[],
         $12::text[], $13::bytea[], $14::text[], $15::integer[], $16::text[], $17::bytea[],
         $18::bytea[], $19::text[])
         as t (tenant, task_id, user_id, key_id, agent_chain, agent, thread_id, thread_order, lane,
           message_hash, prompt, parent_task_id, parent_call_id, root_task_id, depth, traceparent,
           actor, submitted, trace_id)
     ), first_events as (
       insert into events (tenant, task_id, seq, epoch, kind, schema_version, actor, trace_id, payload)
       select tenant, task_id, 1, 0, 'submitted', ${eventSchemaVersion}, actor, trace_id, submitted
       from t
     )
     insert into tasks (tenant, task_id, user_id, key_id, agent_chain, agent, thread_id,
       thread_order, lane, message_hash, prompt, parent_task_id, parent_call_id, root_task_id, depth,
       traceparent, state, last_seq, usage, schema_version_max)
     select tenant, task_id, user_id, key_id, agent_chain, agent, thread_id,
       thread_order, lane, message_hash, prompt, parent_task_id, parent_call_id, root_task_id, depth,
       traceparent, 'QUEUED', 1, $20::bytea, ${eventSchemaVersion}
     from t`,
    [
      rows.map((row) => row.tenant),
      rows.map((row) => row.taskId),
      rows.map((row) => row.userId),
      rows.map((row) => row.keyId),
      rows.map((row) => row.agentChain),
      rows.map((row) => row.agent),
      rows.map((row) => row.threadId),
      rows.map((row) => row.threadOrder),
      rows.map((row) => row.lane),
      rows.map((row) => row.messageHash),
      rows.map((row) => utf8Prefix(row.promptText, promptBytesMax)),
      rows.map((row) => row.parentTaskId),
      rows.map((row) => row.parentCallId),
      rows.map((row) => row.rootTaskId),
      rows.map((row) => row.depth),
      rows.map((row) => row.traceparent),
      rows.map((row) => row.actor),
      rows.map((row) => row.submitted),
      rows.map((row) => traceIdOf(row.traceparent)),
      noUsage,
    ],
  );
}

/** The trace id inside a W3C `traceparent`; empty when there is none. */
export function traceIdOf(traceparent: string): string {
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent)?.[1] ?? "";
}
