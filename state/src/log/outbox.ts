import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";
import type { DispatchQueue } from "../queue/dispatch-queue.ts";
import type { Sql } from "../store/sql.ts";
import type { Store } from "../store/store.ts";
import type { LaneName } from "./types.ts";

/** A dispatch as the outbox holds it. */
export interface OutboxRow {
  readonly outbox_id: bigint;
  readonly tenant: string;
  readonly task_id: string;
  readonly lane: LaneName;
}

/** A task to dispatch. */
export interface ToDispatch {
  readonly tenant: string;
  readonly task_id: string;
  readonly lane: LaneName;
}

/** Writes outbox rows in the caller's transaction; hand them to the pump after the commit. */
export async function writeOutbox(tx: Sql, tasks: readonly ToDispatch[]): Promise<OutboxRow[]> {
  if (tasks.length === 0) {
    return [];
  }
  return await tx.query<OutboxRow>(
    `insert into outbox (tenant, task_id, lane)
     select * from unnest($1::text[], $2::text[], $3::text[])
     returning outbox_id, tenant, task_id, lane`,
    [tasks.map((t) => t.tenant), tasks.map((t) => t.task_id), tasks.map((t) => t.lane)],
  );
}

/**
 * Carries outbox rows to the queue and deletes them afterwards; what it loses, the next pump or
 * sweep finds.
 */
export interface OutboxPump {
  /** Publishes rows that were just committed. Returns at once and never throws. */
  offer(rows: readonly OutboxRow[]): void;
  /** Publishes rows that a dead process left, or that the queue refused. Returns how many. */
  sweep(): Promise<number>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

/** Rows published or deleted in one go. */
const batchMax = 500;
/** Rows younger than this, in ms, are still in the hands of the process that wrote them. */
const graceMs = 2000;
/** Rows that wait in memory; more are left to the sweep. */
const waitingMax = 10_000;

/** The pump of one process. */
export function createOutboxPump(deps: {
  store: Store;
  queue: DispatchQueue;
  log: Logger;
  clock: Clock;
}): OutboxPump {
  const { store, queue, log } = deps;
  const waiting: OutboxRow[] = [];
  let running: Promise<void> | undefined;

  const publish = async (rows: readonly OutboxRow[]) => {
    await queue.publish(
      rows.map((row) => ({
        ref: { tenant: row.tenant, taskId: row.task_id },
        lane: row.lane,
        dedupeId: `${row.task_id}-${row.outbox_id}`,
      })),
    );
    await store.write.query("delete from outbox where outbox_id = any($1::bigint[])", [
      rows.map((row) => row.outbox_id),
    ]);
  };
  const drain = async () => {
    // Lets the commits of this turn of the event loop share one batch.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchMax);
      try {
        await publish(batch);
      } catch (error) {
        log.warn("dispatch is delayed until the next sweep", { reason: messageOf(error) });
      }
    }
    running = undefined;
  };
  return {
    offer(rows) {
      waiting.push(...rows.slice(0, Math.max(0, waitingMax - waiting.length)));
      running ??= waiting.length > 0 ? drain() : undefined;
    },
    async sweep() {
      const rows = await store.write.query<OutboxRow>(
        `select outbox_id, tenant, task_id, lane from outbox
         where created_at < clock_timestamp() - $1 * interval '1 millisecond'
         order by outbox_id limit $2`,
        [graceMs, batchMax],
      );
      if (rows.length > 0) {
        await publish(rows);
      }
      return rows.length;
    },
    async idle() {
      await running;
    },
  };
}
