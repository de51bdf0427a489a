import { fromBinary } from "@bufbuild/protobuf";
import { UsageSchema } from "@warmpath/proto/common";
import type { Clock } from "@warmpath/runtime/base";
import type { Store } from "../store/store.ts";
import { textFromUtf8 } from "./bytes.ts";
import {
  type EventRow,
  eventColumns,
  eventSchemaVersion,
  storedEventFromRow,
} from "./event-codec.ts";
import { traceIdOf } from "./insert-task.ts";
import type { LogConfig } from "./log-config.ts";
import type { Claim, ClaimedTask, LaneName, Lease, TaskRef } from "./types.ts";

/**
 * Share of the lease after which its holder stops writing. The rest covers a worker's clock that
 * runs slower than the database's; a suspended process is caught by the epoch alone.
 */
const ownShareOfLease = 0.9;

interface ClaimRow {
  readonly user_id: Uint8Array;
  readonly key_id: string;
  readonly agent_chain: Uint8Array;
  readonly agent: string;
  readonly thread_id: Uint8Array | null;
  readonly lane: LaneName;
  readonly message_hash: Uint8Array;
  readonly parent_task_id: string | null;
  readonly parent_call_id: Uint8Array | null;
  readonly root_task_id: string;
  readonly depth: number;
  readonly usage: Uint8Array;
  readonly steps: number;
  readonly epoch: bigint;
  readonly last_seq: bigint;
  readonly created_at: number;
  readonly traceparent: string;
  /** The first event, when it is the only one. */
  readonly submitted: Uint8Array | null;
}

/**
 * One statement decides the claim: ready or abandoned, no event newer than this code, and no
 * earlier open task of the same conversation. Expiry is judged by the database's clock alone.
 */
const claimSql = `
  update tasks t set state = 'RUNNING', epoch = t.epoch + 1, lease_worker = $3,
    lease_expires_at = clock_timestamp() + $4 * interval '1 millisecond',
    updated_at = clock_timestamp(), dispatched_at = clock_timestamp(), dispatch_count = 0
  where t.tenant = $1 and t.task_id = $2
    and (t.state = 'QUEUED' or (t.state = 'RUNNING' and t.lease_expires_at <= clock_timestamp()))
    and t.schema_version_max <= $5
    and (t.thread_id is null or not exists (
      select 1 from tasks e
      where e.tenant = t.tenant and e.user_id = t.user_id and e.thread_id = t.thread_id
        and e.thread_order < t.thread_order and e.state in ('QUEUED', 'RUNNING', 'WAITING')))
  returning user_id, key_id, agent_chain, agent, thread_id, lane, message_hash, parent_task_id,
    parent_call_id, root_task_id, depth, usage, steps, epoch, last_seq, created_at, traceparent,
    case when last_seq = 1 then (
      select e.payload from events e
      where e.tenant = t.tenant and e.task_id = t.task_id and e.seq = 1) end as submitted`;

/** See `TaskLog.claim`. */
export async function claimTask(
  deps: { store: Store; clock: Clock; config: LogConfig },
  ref: TaskRef,
  workerId: string,
): Promise<Claim | undefined> {
  const { store, clock, config } = deps;
  const askedAtMs = clock.monotonicMs();
  const [row] = await store.write.query<ClaimRow>(claimSql, [
    ref.tenant,
    ref.taskId,
    workerId,
    config.leaseMs,
    eventSchemaVersion,
  ]);
  if (row === undefined) {
    return undefined;
  }
  const events = await eventsOf(store, ref, row);
  return {
    lease: {
      tenant: ref.tenant,
      taskId: ref.taskId,
      epoch: row.epoch,
      workerId,
      expiresMonotonicMs: askedAtMs + config.leaseMs * ownShareOfLease,
    },
    task: claimedTaskFromRow(ref, row),
    events: events.map(storedEventFromRow),
  };
}

/**
 * The events, in a statement of their own: the claim may have waited for its predecessor's last
 * append, and its own snapshot would not show it. A task that never ran has one event, which the
 * claim brought along.
 */
async function eventsOf(store: Store, ref: TaskRef, row: ClaimRow): Promise<EventRow[]> {
  if (row.submitted !== null) {
    const first = { seq: 1n, epoch: 0n, kind: "submitted", schema_version: eventSchemaVersion };
    const { created_at, submitted } = row;
    const trace_id = traceIdOf(row.traceparent);
    return [{ ...first, recorded_at: created_at, trace_id, payload: submitted }];
  }
  return await store.write.query<EventRow>(
    `select ${eventColumns} from events where tenant = $1 and task_id = $2 order by seq`,
    [ref.tenant, ref.taskId],
  );
}

function claimedTaskFromRow(ref: TaskRef, row: ClaimRow): ClaimedTask {
  return {
    tenant: ref.tenant,
    taskId: ref.taskId,
    user: textFromUtf8(row.user_id),
    keyId: row.key_id,
    // Written by this package as a JSON array of texts.
    agentChain: JSON.parse(textFromUtf8(row.agent_chain)) as string[],
    agent: row.agent,
    threadId: textFromUtf8(row.thread_id),
    lane: row.lane,
    messageHash: row.message_hash,
    parentTaskId: row.parent_task_id ?? "",
    parentCallId: textFromUtf8(row.parent_call_id),
    rootTaskId: row.root_task_id,
    depth: row.depth,
    usage: fromBinary(UsageSchema, row.usage),
    steps: row.steps,
    lastSeq: row.last_seq,
    createdAtMs: row.created_at,
    traceparent: row.traceparent,
  };
}

/** See `TaskLog.renew`: all leases in one statement. */
export async function renewLeases(
  deps: { store: Store; clock: Clock; config: LogConfig },
  leases: readonly Lease[],
): Promise<Lease[]> {
  if (leases.length === 0) {
    return [];
  }
  const { store, clock, config } = deps;
  const askedAtMs = clock.monotonicMs();
  const held = await store.write.query<{ tenant: string; task_id: string; epoch: bigint }>(
    `update tasks t set lease_expires_at = clock_timestamp() + $4 * interval '1 millisecond'
     from unnest($1::text[], $2::text[], $3::bigint[]) as l (tenant, task_id, epoch)
     where t.tenant = l.tenant and t.task_id = l.task_id and t.epoch = l.epoch
       and t.state = 'RUNNING'
     returning t.tenant, t.task_id, t.epoch`,
    [
      leases.map((lease) => lease.tenant),
      leases.map((lease) => lease.taskId),
      leases.map((lease) => lease.epoch),
      config.leaseMs,
    ],
  );
  const heldNames = new Set(held.map((row) => `${row.tenant}/${row.task_id}/${row.epoch}`));
  return leases
    .filter((lease) => heldNames.has(`${lease.tenant}/${lease.taskId}/${lease.epoch}`))
    .map((lease) => ({
      ...lease,
      expiresMonotonicMs: askedAtMs + config.leaseMs * ownShareOfLease,
    }));
}
