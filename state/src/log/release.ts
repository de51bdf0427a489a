import type { Store } from "../store/store.ts";
import { type OutboxRow, type ToDispatch, writeOutbox } from "./outbox.ts";
import type { Lease } from "./types.ts";

/** See `TaskLog.release`. A lease that is already lost is left as it is. */
export async function releaseLease(store: Store, lease: Lease): Promise<readonly OutboxRow[]> {
  return await store.write.transaction(async (tx) => {
    const released = await tx.query<ToDispatch>(
      `update tasks set state = 'QUEUED', lease_worker = null, lease_expires_at = null,
         dispatched_at = clock_timestamp(), dispatch_count = 0, updated_at = clock_timestamp()
       where tenant = $1 and task_id = $2 and epoch = $3 and state = 'RUNNING'
       returning tenant, task_id, lane`,
      [lease.tenant, lease.taskId, lease.epoch],
    );
    return await writeOutbox(tx, released);
  });
}
