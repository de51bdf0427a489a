import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { UsageSchema } from "@warmpath/proto/common";
import { CancelledSchema, EventSchema } from "@warmpath/proto/log";
import type { Sql } from "../store/sql.ts";
import type { Store } from "../store/store.ts";
import { utf8 } from "./bytes.ts";
import { applyEndEffects, type EndedTask, lockConversations } from "./end-effects.ts";
import { eventSchemaVersion } from "./event-codec.ts";
import { type OutboxRow, writeOutbox } from "./outbox.ts";
import { taskNotFound } from "./send-message.ts";
import type { StateName, TaskRef } from "./types.ts";

/** What a cancel did, and what to do after its commit. */
export interface CancelResult {
  /** The named task's state just after. */
  readonly state: StateName;
  readonly outbox: readonly OutboxRow[];
  /** Tasks that a worker runs: it is asked to stop. Parents of cancelled ones, too. */
  readonly woken: readonly TaskRef[];
  /** Tasks that ended here, with the sequence number of their last event. */
  readonly ended: readonly { readonly ref: TaskRef; readonly seq: bigint }[];
}

interface TreeRow extends EndedTask {
  readonly state: StateName;
  readonly in_tree: boolean;
  readonly last_seq: bigint;
  readonly usage: Uint8Array;
}

/** The task, its open descendants, and its parent (which is told), locked in one order. */
const lockTreeSql = `
  with recursive tree as (
    select tenant, task_id, parent_task_id, true as in_tree
    from tasks where tenant = $1 and task_id = $2
    union all
    select c.tenant, c.task_id, c.parent_task_id, true
    from tree join tasks c on c.tenant = tree.tenant and c.parent_task_id = tree.task_id
    where c.state in ('QUEUED', 'RUNNING', 'WAITING')
  ), wanted as (
    select tenant, task_id, in_tree from tree
    union all
    select tenant, parent_task_id, false from tree where task_id = $2 and parent_task_id is not null
  )
  select t.tenant, t.task_id, t.user_id, t.thread_id, t.parent_task_id, t.parent_call_id, t.state,
    t.last_seq, t.usage, wanted.in_tree
  from tasks t join wanted using (tenant, task_id)
  order by t.tenant, t.task_id for update of t`;

/**
 * Cancels a task and its descendants: what no worker holds ends here, under a new epoch; the holder
 * of a running one finds the cancel in its inbox. `withRoot` false: only the descendants, after the
 * task's own end.
 */
export async function cancelTree(
  store: Store,
  ref: TaskRef,
  actor: string,
  withRoot = true,
): Promise<CancelResult> {
  return await store.write.transaction(async (tx) => {
    const rows = await lockTree(tx, ref);
    const root = rows.find((row) => row.task_id === ref.taskId);
    if (root === undefined) {
      throw taskNotFound(ref.taskId);
    }
    const tree = rows.filter((row) => row.in_tree && (withRoot || row.task_id !== ref.taskId));
    const idle = tree.filter((row) => row.state === "QUEUED" || row.state === "WAITING");
    const running = tree.filter((row) => row.state === "RUNNING");
    await endHere(tx, idle, actor);
    await askToStop(tx, running);
    await lockConversations(tx, idle);
    const effects = await applyEndEffects(tx, idle);
    return {
      state: idle.includes(root) ? "CANCELLED" : root.state,
      outbox: await writeOutbox(tx, effects.dispatch),
      woken: [...running.map(refOf), ...effects.woken],
      ended: idle.map((row) => ({ ref: refOf(row), seq: row.last_seq + 1n })),
    };
  });
}

/**
 * Looks again until nothing is new: a statement that waited for a lock does not see the children
 * whose creation it waited for. A locked parent creates none.
 */
async function lockTree(tx: Sql, ref: TaskRef): Promise<TreeRow[]> {
  const locked = new Set<string>();
  for (;;) {
    const rows = await tx.query<TreeRow>(lockTreeSql, [ref.tenant, ref.taskId]);
    const countBefore = locked.size;
    for (const row of rows) {
      locked.add(row.task_id);
    }
    if (locked.size === countBefore) {
      return rows;
    }
  }
}

function refOf(row: TreeRow): TaskRef {
  return { tenant: row.tenant, taskId: row.task_id };
}

async function endHere(tx: Sql, rows: readonly TreeRow[], actor: string): Promise<void> {
  if (rows.length === 0) {
    return;
  }
  await tx.query(
    `with ended as (
       update tasks t set state = 'CANCELLED', epoch = epoch + 1, last_seq = last_seq + 1,
         lease_worker = null, lease_expires_at = null, updated_at = clock_timestamp()
       from unnest($1::text[], $2::text[], $4::bytea[]) as r (tenant, task_id, payload)
       where t.tenant = r.tenant and t.task_id = r.task_id
       returning t.tenant, t.task_id, t.last_seq, t.epoch, r.payload,
         substr(t.traceparent, 4, 32) as trace_id
     )
     insert into events (tenant, task_id, seq, epoch, kind, schema_version, actor, cause, trace_id,
       payload)
     select tenant, task_id, last_seq, epoch, 'cancelled', ${eventSchemaVersion}, $3, 'cancel',
       trace_id, payload
     from ended`,
    [
      rows.map((row) => row.tenant),
      rows.map((row) => row.task_id),
      utf8(actor),
      rows.map(cancelledEvent),
    ],
  );
}

/** A Cancelled event with what the run has used so far. */
function cancelledEvent(row: TreeRow): Uint8Array {
  const value = create(CancelledSchema, { usage: fromBinary(UsageSchema, row.usage) });
  return toBinary(EventSchema, create(EventSchema, { kind: { case: "cancelled", value } }));
}

/** One cancel in the inbox is enough, however often it is asked for. */
async function askToStop(tx: Sql, rows: readonly TreeRow[]): Promise<void> {
  if (rows.length === 0) {
    return;
  }
  await tx.query(
    `insert into inbox (tenant, task_id, kind)
     select tenant, task_id, 'cancel' from unnest($1::text[], $2::text[]) as r (tenant, task_id)
     where not exists (select 1 from inbox i
       where i.tenant = r.tenant and i.task_id = r.task_id and i.kind = 'cancel')`,
    [rows.map((row) => row.tenant), rows.map((row) => row.task_id)],
  );
}
