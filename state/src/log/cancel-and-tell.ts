import type { Bus } from "@warmpath/runtime";
import type { Store } from "../store/store.ts";
import { announceEnded, announceInput, announceRecorded } from "./announce.ts";
import { cancelTree } from "./cancel.ts";
import type { OutboxPump } from "./outbox.ts";
import type { StateName, TaskRef } from "./types.ts";

/**
 * Cancels as `cancelTree` does, then tells queue, workers and watchers. Returns the named task's
 * state.
 */
export async function cancelAndTell(
  deps: { readonly store: Store; readonly pump: OutboxPump; readonly bus: Bus },
  ref: TaskRef,
  actor: string,
  withRoot = true,
): Promise<StateName> {
  const result = await cancelTree(deps.store, ref, actor, withRoot);
  deps.pump.offer(result.outbox);
  for (const { ref: ended, seq } of result.ended) {
    announceRecorded(deps.bus, ended, seq);
    announceEnded(deps.bus, ended);
  }
  for (const woken of result.woken) {
    announceInput(deps.bus, woken);
  }
  return result.state;
}
