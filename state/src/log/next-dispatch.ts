import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";
import type { DispatchQueue } from "../queue/dispatch-queue.ts";
import type { Store } from "../store/store.ts";
import type { LogConfig } from "./log-config.ts";
import { findReady } from "./ready-tasks.ts";
import type { Dispatch, LaneName } from "./types.ts";

/**
 * Ready tasks that one look into the database offers; workers that look at once then rarely want
 * the same one.
 */
const candidatesMax = 32;

/** The next ready task: from the queue, or from the record itself while the queue is away. */
export async function nextDispatch(
  deps: { store: Store; queue: DispatchQueue; clock: Clock; config: LogConfig; log: Logger },
  lanes: readonly LaneName[],
  signal: AbortSignal,
): Promise<Dispatch> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await deps.queue.pull(lanes, signal);
    } catch (error) {
      signal.throwIfAborted();
      deps.log.warn("the queue is away: looking into the database", { reason: messageOf(error) });
    }
    const found = await lookIntoRecord(deps, lanes);
    if (found !== undefined) {
      return found;
    }
    await deps.clock.sleep(deps.config.pollMs, signal);
  }
}

let lookCount = 0;

async function lookIntoRecord(
  deps: { store: Store; log: Logger },
  lanes: readonly LaneName[],
): Promise<Dispatch | undefined> {
  try {
    const ready = await findReady(deps.store.write, lanes, candidatesMax);
    // Another candidate at every look: the claim decides, and a refused one is not tried twice in a
    // row.
    const chosen = ready[lookCount++ % Math.max(1, ready.length)];
    return chosen === undefined
      ? undefined
      : {
          ref: { tenant: chosen.tenant, taskId: chosen.task_id },
          lane: chosen.lane,
          ack: () => undefined,
          nak: () => undefined,
        };
  } catch (error) {
    deps.log.warn("neither queue nor database can be reached", { reason: messageOf(error) });
    return undefined;
  }
}
