import { create, toBinary } from "@bufbuild/protobuf";
import { EventSchema, SubmittedSchema } from "@warmpath/proto/log";
import { encodeWire, messageHash, type Principal, userMessage } from "@warmpath/runtime";
import { newId, WarmpathError } from "@warmpath/runtime/base";
import type { Sql } from "../store/sql.ts";
import type { Store } from "../store/store.ts";
import { laneNumber } from "./append-ending.ts";
import { utf8, utf8Prefix } from "./bytes.ts";
import { eventSchemaVersion } from "./event-codec.ts";
import { type IdempotentRequest, reserveKey } from "./idempotency.ts";
import { noUsage, promptBytesMax, traceIdOf } from "./insert-task.ts";
import type { LogConfig } from "./log-config.ts";
import type { OutboxRow } from "./outbox.ts";
import { encodeMessage } from "./prepare-append.ts";
import type { LaneName } from "./types.ts";

/** A task that a client asks for. */
export interface TaskRequest {
  readonly principal: Principal;
  readonly agent: string;
  readonly text: string;
  /** Empty: no conversation. */
  readonly threadId: string;
  /** Empty: none. */
  readonly idempotencyKey: string;
  readonly lane: LaneName;
  readonly limits: TaskRequestLimits;
  readonly traceparent: string;
}

/** Limits of the caller's key; 0 means none. */
export interface TaskRequestLimits {
  readonly concurrentTasks: number;
  readonly conversationMessages: number;
}

/** A task and what its creation left to dispatch. */
export interface CreatedTask {
  readonly taskId: string;
  readonly outbox: readonly OutboxRow[];
}

/**
 * Creates a task: its row, first event and dispatch in one transaction, or finds the one its key
 * names.
 */
export async function createTask(
  deps: { store: Store; config: LogConfig },
  request: TaskRequest,
): Promise<CreatedTask> {
  const taskId = newId("task");
  const { principal } = request;
  if (isPlain(request)) {
    return { taskId, outbox: await insertRequestedTask(deps.store.write, taskId, request) };
  }
  const idempotent: IdempotentRequest = {
    tenant: principal.tenant,
    key: request.idempotencyKey,
    parts: [
      "create-task",
      principal.user,
      request.agent,
      request.text,
      request.threadId,
      request.lane,
    ],
    taskId,
  };
  return await deps.store.write.transaction(async (tx) => {
    const earlier = await reserveKey(tx, idempotent, deps.config.idempotencyMs);
    if (earlier !== undefined) {
      return { taskId: earlier, outbox: [] };
    }
    return { taskId, outbox: await insertRequestedTask(tx, taskId, request) };
  });
}

/** True when one statement does it all: nothing has to be locked or looked up before. */
function isPlain(request: TaskRequest): boolean {
  const { idempotencyKey, threadId, limits } = request;
  return idempotencyKey === "" && threadId === "" && limits.concurrentTasks === 0;
}

/**
 * Inserts the task with its message, first event and dispatch, if its agent is known. A task behind
 * an open one of its conversation is not dispatched: the end of that one does it.
 */
const insertSql = `
  with known as (
    select 1 from agents where tenant in ($1, $2) and name = $7 limit 1
  ), stored_message as (
    insert into messages (tenant, hash, payload) select $1, $11, $12 from known
    on conflict do nothing
  ), first_event as (
    insert into events (tenant, task_id, seq, epoch, kind, schema_version, actor, trace_id, payload)
    select $1, $3, 1, 0, 'submitted', ${eventSchemaVersion}, $15, $16, $17 from known
  ), dispatched as (
    insert into outbox (tenant, task_id, lane)
    select $1, $3, $10 from known
    where $8::bytea is null or not exists (
      select 1 from tasks where tenant = $1 and user_id = $4 and thread_id = $8
        and state in ('QUEUED', 'RUNNING', 'WAITING'))
    returning outbox_id, tenant, task_id, lane
  ), task as (
    insert into tasks (tenant, task_id, user_id, key_id, agent_chain, agent, thread_id, thread_order,
      lane, message_hash, prompt, root_task_id, traceparent, usage, state, last_seq,
      schema_version_max)
    select $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $13, $3, $14, $18, 'QUEUED', 1,
      ${eventSchemaVersion}
    from known
    returning task_id
  )
  select task.task_id as created, dispatched.* from task left join dispatched on true`;

/**
 * Checks limits and inserts the task. With a conversation or limits: in the caller's transaction.
 */
export async function insertRequestedTask(
  tx: Sql,
  taskId: string,
  request: TaskRequest,
): Promise<OutboxRow[]> {
  const { principal, traceparent } = request;
  await assertFewOpenTasks(tx, principal, request.limits.concurrentTasks);
  const threadOrder = await joinConversation(tx, request);
  const message = encodeWire(userMessage(request.text));
  const stored = encodeMessage({ hash: messageHash(message), message });
  const rows = await tx.query<Partial<OutboxRow>>(insertSql, [
    principal.tenant,
    operatorTenant,
    taskId,
    utf8(principal.user),
    principal.keyId,
    utf8(JSON.stringify(principal.agentChain)),
    request.agent,
    request.threadId === "" ? null : utf8(request.threadId),
    threadOrder,
    request.lane,
    stored.hash,
    stored.payload,
    utf8Prefix(request.text, promptBytesMax),
    traceparent,
    utf8(`key ${principal.keyId} user ${principal.user}`),
    traceIdOf(traceparent),
    submittedEvent(request, stored.hash),
    noUsage,
  ]);
  if (rows.length === 0) {
    throw new WarmpathError("rejected-unknown-agent", `there is no agent named ${request.agent}`, {
      fields: [{ field: "agent", fault: "names no agent" }],
    });
  }
  return rows.filter((row): row is OutboxRow => row.outbox_id != null);
}

function submittedEvent(request: TaskRequest, hash: Uint8Array): Uint8Array {
  const value = create(SubmittedSchema, {
    agent: request.agent,
    messageHash: hash,
    threadId: request.threadId,
    lane: laneNumber[request.lane],
  });
  return toBinary(EventSchema, create(EventSchema, { kind: { case: "submitted", value } }));
}

/** Stores one message under its hash. */
export async function storeMessage(
  tx: Sql,
  tenant: string,
  message: { readonly hash: Uint8Array; readonly payload: Uint8Array },
): Promise<void> {
  await tx.query(
    "insert into messages (tenant, hash, payload) values ($1, $2, $3) on conflict do nothing",
    [tenant, message.hash, message.payload],
  );
}

/** Agents that any tenant may use are registered under this tenant, by the workers themselves. */
export const operatorTenant = "system";

const busyRetryMs = 1000;

async function assertFewOpenTasks(tx: Sql, principal: Principal, max: number): Promise<void> {
  if (max === 0) {
    return;
  }
  await tx.query(
    `insert into create_locks (tenant, key_id) values ($1, $2)
     on conflict (tenant, key_id) do update set key_id = excluded.key_id`,
    [principal.tenant, principal.keyId],
  );
  const rows = await tx.query(
    `select 1 from tasks where tenant = $1 and key_id = $2 and depth = 0
       and state in ('QUEUED', 'RUNNING', 'WAITING') limit $3`,
    [principal.tenant, principal.keyId, max],
  );
  if (rows.length >= max) {
    throw new WarmpathError(
      "rejected-concurrency-limit",
      `the key has ${max} tasks that have not ended, as many as it may`,
      { retryAfterMs: busyRetryMs },
    );
  }
}

/** Messages that one task adds to its conversation at least: the question and the answer. */
const messagesPerTask = 2;

/**
 * Takes a place in the conversation, whose row stays locked until the commit. Returns the place's
 * number.
 */
async function joinConversation(tx: Sql, request: TaskRequest): Promise<bigint> {
  if (request.threadId === "") {
    return 0n;
  }
  const thread = [request.principal.tenant, utf8(request.principal.user), utf8(request.threadId)];
  const [row] = await tx.query<{ message_count: number; task_count: bigint }>(
    `insert into conversations as c (tenant, user_id, thread_id, task_count)
     values ($1, $2, $3, 1)
     on conflict (tenant, user_id, thread_id) do update set task_count = c.task_count + 1
     returning message_count, task_count`,
    thread,
  );
  const max = request.limits.conversationMessages;
  if (max > 0) {
    const [open] = await tx.query<{ count: bigint }>(
      `select count(*) as count from tasks where tenant = $1 and user_id = $2 and thread_id = $3
         and state in ('QUEUED', 'RUNNING', 'WAITING')`,
      thread,
    );
    const expected = (row?.message_count ?? 0) + Number(open?.count ?? 0n) * messagesPerTask;
    if (expected >= max) {
      throw new WarmpathError(
        "rejected-conversation-limit",
        `the conversation is as long as the key allows (${max} messages); start another`,
        { fields: [{ field: "threadId", fault: "names a full conversation" }] },
      );
    }
  }
  return row?.task_count ?? 1n;
}
