/**
 * What a task's end does to others, in the same transaction: its parent learns of it, its
 * conversation goes on.
 */
import type { Sql } from "../store/sql.ts";
import type { ToDispatch } from "./outbox.ts";
import type { LaneName, TaskRef } from "./types.ts";

/** A task that ends in this transaction. Its row and its parent's are locked. */
export interface EndedTask {
  readonly tenant: string;
  readonly task_id: string;
  readonly user_id: Uint8Array;
  readonly thread_id: Uint8Array | null;
  readonly parent_task_id: string | null;
  readonly parent_call_id: Uint8Array | null;
}

/** What to do after the commit. */
export interface EndEffects {
  readonly dispatch: ToDispatch[];
  /** Parents that got something into their inbox. */
  readonly woken: TaskRef[];
}

/**
 * Locks conversations in one order, so that a task created now is seen as a successor, or sees the
 * end itself.
 */
export async function lockConversations(tx: Sql, tasks: readonly EndedTask[]): Promise<void> {
  const inThread = tasks.filter((task) => task.thread_id !== null);
  if (inThread.length > 0) {
    await tx.query(
      `select 1 from conversations c join (
         select distinct * from unnest($1::text[], $2::bytea[], $3::bytea[])
           as r (tenant, user_id, thread_id)
       ) r using (tenant, user_id, thread_id)
       order by tenant, user_id, thread_id for update of c`,
      threadArrays(inThread),
    );
  }
}

/**
 * Applies the effects of ends whose states are already written. Conversations are locked by the
 * caller.
 */
export async function applyEndEffects(tx: Sql, ended: readonly EndedTask[]): Promise<EndEffects> {
  const effects: EndEffects = { dispatch: [], woken: [] };
  if (ended.length === 0) {
    return effects;
  }
  await tx.query(
    `delete from inbox i using unnest($1::text[], $2::text[]) as r (tenant, task_id)
     where i.tenant = r.tenant and i.task_id = r.task_id`,
    [ended.map((task) => task.tenant), ended.map((task) => task.task_id)],
  );
  await tellParents(tx, ended, effects);
  await dispatchSuccessors(tx, ended, effects);
  return effects;
}

async function tellParents(
  tx: Sql,
  ended: readonly EndedTask[],
  effects: EndEffects,
): Promise<void> {
  const children = ended.filter((task) => task.parent_task_id !== null);
  if (children.length === 0) {
    return;
  }
  const told = await tx.query<{ tenant: string; task_id: string }>(
    `insert into inbox (tenant, task_id, kind, child_task_id, call_id)
     select c.tenant, c.parent_task_id, 'child-ended', c.task_id, c.call_id
     from unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
       as c (tenant, task_id, parent_task_id, call_id)
     join tasks p on p.tenant = c.tenant and p.task_id = c.parent_task_id
     where p.state in ('QUEUED', 'RUNNING', 'WAITING')
     returning tenant, task_id`,
    [
      children.map((child) => child.tenant),
      children.map((child) => child.task_id),
      children.map((child) => child.parent_task_id),
      children.map((child) => child.parent_call_id),
    ],
  );
  effects.woken.push(...told.map((row) => ({ tenant: row.tenant, taskId: row.task_id })));
  effects.dispatch.push(...(await wakeWaiting(tx, effects.woken)));
}

/** Makes waiting tasks ready; the ones that do not wait are left as they are. */
export async function wakeWaiting(tx: Sql, refs: readonly TaskRef[]): Promise<ToDispatch[]> {
  return await tx.query<ToDispatch>(
    `update tasks t set state = 'QUEUED', updated_at = clock_timestamp(),
       dispatched_at = clock_timestamp(), dispatch_count = 0
     from (select distinct * from unnest($1::text[], $2::text[]) as r (tenant, task_id)) r
     where t.tenant = r.tenant and t.task_id = r.task_id and t.state = 'WAITING'
     returning t.tenant, t.task_id, t.lane`,
    [refs.map((ref) => ref.tenant), refs.map((ref) => ref.taskId)],
  );
}

async function dispatchSuccessors(
  tx: Sql,
  ended: readonly EndedTask[],
  effects: EndEffects,
): Promise<void> {
  const inThread = ended.filter((task) => task.thread_id !== null);
  if (inThread.length === 0) {
    return;
  }
  const next = await tx.query<{ tenant: string; task_id: string; lane: LaneName; state: string }>(
    `select distinct on (t.tenant, t.user_id, t.thread_id) t.tenant, t.task_id, t.lane, t.state
     from unnest($1::text[], $2::bytea[], $3::bytea[]) as r (tenant, user_id, thread_id)
     join tasks t using (tenant, user_id, thread_id)
     where t.state in ('QUEUED', 'RUNNING', 'WAITING')
     order by t.tenant, t.user_id, t.thread_id, t.thread_order`,
    threadArrays(inThread),
  );
  effects.dispatch.push(...next.filter((row) => row.state === "QUEUED"));
}

function threadArrays(tasks: readonly EndedTask[]) {
  return [
    tasks.map((task) => task.tenant),
    tasks.map((task) => task.user_id),
    tasks.map((task) => task.thread_id),
  ];
}
