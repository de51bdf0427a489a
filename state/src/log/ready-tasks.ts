import type { Sql } from "../store/sql.ts";
import type { Store } from "../store/store.ts";
import { eventSchemaVersion } from "./event-codec.ts";
import type { LogConfig } from "./log-config.ts";
import { type OutboxRow, type ToDispatch, writeOutbox } from "./outbox.ts";
import type { LaneName } from "./types.ts";

/** True for rows a claim would take now: the conditions of `claimSql`, for scans. */
const claimable = `
  t.schema_version_max <= ${eventSchemaVersion}
  and (t.state = 'QUEUED' or (t.state = 'RUNNING' and t.lease_expires_at <= clock_timestamp()))
  and (t.thread_id is null or not exists (
    select 1 from tasks e
    where e.tenant = t.tenant and e.user_id = t.user_id and e.thread_id = t.thread_id
      and e.thread_order < t.thread_order and e.state in ('QUEUED', 'RUNNING', 'WAITING')))`;

/** Doublings of the pause between dispatches of a task that nobody claims. */
const doublingsMax = 6;

/** A row that was dispatched too long ago, or whose holder's lease expired. $1: the first pause. */
const stale = `
  t.state in ('QUEUED', 'RUNNING') and ${claimable}
  and (t.state = 'RUNNING' and t.dispatch_count = 0
    or t.dispatched_at < clock_timestamp() - $1 * interval '1 millisecond'
      * power(2, least(t.dispatch_count, ${doublingsMax})))`;

/**
 * Dispatches again what was dispatched long ago and is still claimable, and at once what a dead
 * worker held. A task in a long backlog is found too; each time its pause doubles. The usual round
 * finds nothing, with one statement.
 */
export async function redispatchStale(
  store: Store,
  config: LogConfig,
): Promise<readonly OutboxRow[]> {
  const [probe] = await store.write.query<{ found: boolean }>(
    `select exists (select 1 from tasks t where ${stale}) as found`,
    [config.redispatchMs],
  );
  if (probe?.found !== true) {
    return [];
  }
  return await store.write.transaction(async (tx) => {
    const tasks = await tx.query<ToDispatch>(
      `update tasks t set dispatched_at = clock_timestamp(), dispatch_count = t.dispatch_count + 1
       from (
         select t.tenant, t.task_id from tasks t where ${stale}
         order by t.dispatched_at limit $2
         for update of t skip locked
       ) found
       where t.tenant = found.tenant and t.task_id = found.task_id
       returning t.tenant, t.task_id, t.lane`,
      [config.redispatchMs, config.sweepTasksMax],
    );
    return await writeOutbox(tx, tasks);
  });
}

/**
 * Dispatches every ready task, in pages: for a queue that forgot, as the one in memory does at a
 * restart. With `expireLeases`, running tasks count as abandoned; that is sound only while a lock
 * proves that no worker lives.
 */
export async function redispatchAll(
  store: Store,
  config: LogConfig,
  expireLeases: boolean,
  onPage: (rows: readonly OutboxRow[]) => void,
): Promise<number> {
  if (expireLeases) {
    await store.write.query(
      "update tasks set lease_expires_at = '-infinity' where state = 'RUNNING'",
    );
  }
  // What an earlier process meant to dispatch is dispatched here.
  await store.write.query("delete from outbox where created_at < clock_timestamp()");
  let count = 0;
  let after = ["", ""];
  for (;;) {
    const page = await readyPage(store.write, after, config.sweepTasksMax);
    const last = page.at(-1);
    if (last === undefined) {
      return count;
    }
    onPage(await store.write.transaction((tx) => writeOutbox(tx, page)));
    count += page.length;
    after = [last.tenant, last.task_id];
  }
}

async function readyPage(sql: Sql, after: readonly string[], max: number): Promise<ToDispatch[]> {
  return await sql.query<ToDispatch>(
    `select t.tenant, t.task_id, t.lane from tasks t
     where t.state in ('QUEUED', 'RUNNING') and ${claimable}
       and (t.tenant, t.task_id) > ($1, $2)
     order by t.tenant, t.task_id limit $3`,
    [after[0] ?? "", after[1] ?? "", max],
  );
}

/**
 * Some ready tasks in these lanes, oldest dispatch first: what workers look at while the queue is
 * away.
 */
export async function findReady(
  sql: Sql,
  lanes: readonly LaneName[],
  max: number,
): Promise<ToDispatch[]> {
  return await sql.query<ToDispatch>(
    `select t.tenant, t.task_id, t.lane from tasks t
     where t.state in ('QUEUED', 'RUNNING') and ${claimable} and t.lane = any($1::text[])
     order by array_position($1::text[], t.lane), t.dispatched_at limit $2`,
    [lanes, max],
  );
}

/** Open children of ended parents: their cancel was lost with the process that ended the parent. */
export async function findOrphans(sql: Sql, max: number): Promise<ToDispatch[]> {
  return await sql.query<ToDispatch>(
    `select c.tenant, c.task_id, c.lane from tasks c
     join tasks p on p.tenant = c.tenant and p.task_id = c.parent_task_id
     where c.parent_task_id is not null and c.state in ('QUEUED', 'RUNNING', 'WAITING')
       and p.state in ('COMPLETED', 'FAILED', 'CANCELLED')
       and not exists (select 1 from inbox i
         where i.tenant = c.tenant and i.task_id = c.task_id and i.kind = 'cancel')
     limit $1`,
    [max],
  );
}
