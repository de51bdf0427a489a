/**
 * Appends that do more than add events: they create children, wait, or end. One transaction for a
 * group.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { Lane } from "@warmpath/proto/common";
import { EventSchema, SubmittedSchema } from "@warmpath/proto/log";
import { textOf } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";
import type { Sql } from "../store/sql.ts";
import { appendPlain, nameOf, nameOfAppend, refusals } from "./append-plain.ts";
import { utf8 } from "./bytes.ts";
import { appendToConversations } from "./conversations.ts";
import {
  applyEndEffects,
  type EndEffects,
  type EndedTask,
  lockConversations,
} from "./end-effects.ts";
import { insertTasks, type NewTaskRow } from "./insert-task.ts";
import { type OutboxRow, type ToDispatch, writeOutbox } from "./outbox.ts";
import type { PreparedAppend } from "./prepare-append.ts";

/** What came of a group. */
export interface GroupResult {
  /** By task name: accepted, or why not. */
  readonly refused: ReadonlyMap<string, WarmpathError>;
  readonly outbox: readonly OutboxRow[];
  readonly woken: EndEffects["woken"];
}

interface LockedRow extends EndedTask {
  readonly key_id: string;
  readonly agent: string;
  readonly agent_chain: Uint8Array;
  readonly root_task_id: string;
  readonly depth: number;
  readonly traceparent: string;
  readonly lane: ToDispatch["lane"];
}

/**
 * Tasks and, for those that may end, their parents, locked in one order so that groups cannot
 * deadlock.
 */
const lockSql = `
  with refs as (
    select * from unnest($1::text[], $2::text[]) as r (tenant, task_id)
  ), wanted as (
    select tenant, task_id from refs
    union
    select c.tenant, c.parent_task_id from refs join tasks c using (tenant, task_id)
    where c.parent_task_id is not null
  )
  select t.tenant, t.task_id, t.user_id, t.key_id, t.agent, t.agent_chain, t.thread_id,
    t.parent_task_id, t.parent_call_id, t.root_task_id, t.depth, t.traceparent, t.lane
  from tasks t join wanted using (tenant, task_id)
  order by t.tenant, t.task_id for update of t`;

/** Runs in a transaction of the caller's. */
export async function appendEnding(
  tx: Sql,
  appends: readonly PreparedAppend[],
): Promise<GroupResult> {
  const refused = new Map<string, WarmpathError>();
  const locked = await tx.query<LockedRow>(lockSql, [
    appends.map((append) => append.lease.tenant),
    appends.map((append) => append.lease.taskId),
  ]);
  const rowByName = new Map(locked.map((row) => [nameOf(row), row]));
  const pending = await pendingInputs(tx, appends);
  const ready = appends.filter((append) => {
    if (append.state === "COMPLETED" && hasUntakenMessage(append, pending)) {
      refused.set(
        nameOfAppend(append),
        new WarmpathError("failed-aborted", "a message arrived for the run: take it in first"),
      );
      return false;
    }
    return true;
  });
  const accepted = await appendPlain(tx, ready);
  for (const [name, refusal] of refusals(ready, accepted)) {
    refused.set(name, refusal);
  }
  const held = ready.filter((append) => accepted.has(nameOfAppend(append)));
  const dispatch: ToDispatch[] = await createChildren(tx, held, rowByName);
  const changes = held
    .filter((append) => append.state !== undefined)
    .map((append) => ({ append, state: stateAfter(append, pending) }));
  await writeStates(tx, changes);
  const ended: (EndedTask & { append: PreparedAppend })[] = [];
  for (const { append, state } of changes) {
    const row = rowByName.get(nameOfAppend(append));
    if (row !== undefined && state === "QUEUED") {
      dispatch.push(row);
    } else if (row !== undefined && state !== "WAITING") {
      ended.push({ ...row, append });
    }
  }
  await lockConversations(tx, ended);
  await appendToConversations(tx, ended);
  const effects = await applyEndEffects(tx, ended);
  const outbox = await writeOutbox(tx, [...dispatch, ...effects.dispatch]);
  return { refused, outbox, woken: effects.woken };
}

interface PendingInput {
  readonly tenant: string;
  readonly task_id: string;
  readonly input_id: bigint;
  readonly kind: string;
}

/**
 * Inputs of tasks that want to stop running. Their rows are locked, so nothing arrives in between.
 */
async function pendingInputs(tx: Sql, appends: readonly PreparedAppend[]) {
  const stopping = appends.filter((append) => append.state !== undefined);
  const rows = await tx.query<PendingInput>(
    `select i.tenant, i.task_id, i.input_id, i.kind
     from unnest($1::text[], $2::text[]) as r (tenant, task_id)
     join inbox i using (tenant, task_id)`,
    [stopping.map((append) => append.lease.tenant), stopping.map((append) => append.lease.taskId)],
  );
  return Map.groupBy(rows, nameOf);
}

type Pending = ReadonlyMap<string, readonly PendingInput[]>;

function untaken(append: PreparedAppend, pending: Pending): PendingInput[] {
  const rows = pending.get(nameOfAppend(append)) ?? [];
  return rows.filter((row) => !append.inputsTaken.includes(row.input_id));
}

function hasUntakenMessage(append: PreparedAppend, pending: Pending): boolean {
  return untaken(append, pending).some((row) => row.kind === "message");
}

/**
 * A task that would wait while something is in its inbox is ready instead: nothing else would wake
 * it.
 */
function stateAfter(append: PreparedAppend, pending: Pending): string {
  const isWaiting = append.state === "WAITING";
  return isWaiting && untaken(append, pending).length > 0 ? "QUEUED" : (append.state ?? "RUNNING");
}

async function writeStates(
  tx: Sql,
  changes: readonly { append: PreparedAppend; state: string }[],
): Promise<void> {
  if (changes.length === 0) {
    return;
  }
  await tx.query(
    `update tasks t set state = c.state, answer = c.answer, failure = c.failure,
       lease_worker = null, lease_expires_at = null,
       dispatched_at = clock_timestamp(), dispatch_count = 0
     from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[])
       as c (tenant, task_id, state, answer, failure)
     where t.tenant = c.tenant and t.task_id = c.task_id`,
    [
      changes.map(({ append }) => append.lease.tenant),
      changes.map(({ append }) => append.lease.taskId),
      changes.map(({ state }) => state),
      changes.map(({ append }) => append.answer),
      changes.map(({ append }) => append.failure),
    ],
  );
}

async function createChildren(
  tx: Sql,
  appends: readonly PreparedAppend[],
  rowByName: ReadonlyMap<string, LockedRow>,
): Promise<ToDispatch[]> {
  const rows: NewTaskRow[] = [];
  for (const append of appends) {
    const parent = rowByName.get(nameOfAppend(append));
    if (parent !== undefined) {
      rows.push(...append.children.map((child) => childRow(parent, child)));
    }
  }
  await insertTasks(tx, rows);
  return rows.map((row) => ({ tenant: row.tenant, task_id: row.taskId, lane: row.lane }));
}

function childRow(parent: LockedRow, child: PreparedAppend["children"][number]): NewTaskRow {
  const chain: string[] = JSON.parse(new TextDecoder().decode(parent.agent_chain));
  const submitted = create(EventSchema, {
    kind: {
      case: "submitted",
      value: create(SubmittedSchema, {
        agent: child.agent,
        messageHash: child.message.hash,
        lane: laneNumber[child.lane],
        parentTaskId: parent.task_id,
        parentCallId: child.callId,
      }),
    },
  });
  return {
    tenant: parent.tenant,
    taskId: child.taskId,
    userId: parent.user_id,
    keyId: parent.key_id,
    agentChain: utf8(JSON.stringify([...chain, parent.agent])),
    agent: child.agent,
    threadId: null,
    threadOrder: 0n,
    lane: child.lane,
    messageHash: child.message.hash,
    promptText: textOf(child.message.message),
    parentTaskId: parent.task_id,
    parentCallId: utf8(child.callId),
    rootTaskId: parent.root_task_id,
    depth: parent.depth + 1,
    traceparent: parent.traceparent,
    actor: utf8(`task ${parent.task_id}`),
    submitted: toBinary(EventSchema, submitted),
  };
}

/** Lanes as the contract numbers them. */
export const laneNumber = {
  interactive: Lane.INTERACTIVE,
  standard: Lane.STANDARD,
  batch: Lane.BATCH,
} as const;
