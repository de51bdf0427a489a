import type { Bus } from "@warmpath/runtime";
import { type Clock, type Logger, messageOf } from "@warmpath/runtime/base";
import type { HotStore } from "../hot/hot-store.ts";
import type { DispatchQueue } from "../queue/dispatch-queue.ts";
import type { Store } from "../store/store.ts";
import { announceEnded, announceInput, announceRecorded } from "./announce.ts";
import type { GroupResult } from "./append-ending.ts";
import { cancelAndTell } from "./cancel-and-tell.ts";
import { claimTask, renewLeases } from "./claim.ts";
import { readConversation } from "./conversations.ts";
import { createGroupCommit } from "./group-commit.ts";
import { createLiveText } from "./live.ts";
import { type LogConfig, logConfigDefault } from "./log-config.ts";
import type { LogObserver } from "./log-observer.ts";
import { nextDispatch } from "./next-dispatch.ts";
import { createOutboxPump, type OutboxPump } from "./outbox.ts";
import { type PreparedAppend, prepareAppend } from "./prepare-append.ts";
import { putBlob, readBlob, readInputs, readMessages } from "./read.ts";
import { releaseLease } from "./release.ts";
import type { TaskLog } from "./types.ts";

/** What the log stands on. */
export interface TaskLogDeps {
  readonly store: Store;
  readonly hot: HotStore;
  readonly queue: DispatchQueue;
  readonly bus: Bus;
  readonly log: Logger;
  readonly clock: Clock;
  /** Default: `logConfigDefault`. */
  readonly config?: LogConfig;
  /** Told of what happens, for metrics. */
  readonly observer?: LogObserver;
  /** Shared with the state server in the same process; absent: the log's own. */
  readonly pump?: OutboxPump;
}

/** The task log of one process. */
export function createTaskLog(deps: TaskLogDeps): TaskLog {
  const { store, hot, queue, log, clock, observer } = deps;
  const config = deps.config ?? logConfigDefault;
  const pump = deps.pump ?? createOutboxPump({ store, queue, log, clock });
  const base = { store, clock, config };
  const group = createGroupCommit({
    ...base,
    onCommitted: (accepted, result) => onCommitted(deps, pump, accepted, result),
    onGroup: (size) => observer?.group(size),
  });
  return {
    next: (lanes, signal) => nextDispatch({ ...base, queue, log }, lanes, signal),
    async claim(ref, workerId) {
      const startedMs = clock.monotonicMs();
      const claim = await claimTask(base, ref, workerId);
      observer?.claim(claim !== undefined, clock.monotonicMs() - startedMs);
      return claim;
    },
    renew: (leases) => renewLeases(base, leases),
    async append(lease, expectedSeq, transition) {
      const startedMs = clock.monotonicMs();
      const prepared = prepareAppend(lease, expectedSeq, transition, config.appendBytesMax);
      try {
        await group.append(prepared);
        observer?.append(true, prepared.events.length, clock.monotonicMs() - startedMs);
      } catch (error) {
        observer?.append(false, 0, clock.monotonicMs() - startedMs);
        throw error;
      }
      return prepared.lastSeq;
    },
    messages: (tenant, hashes) => readMessages(store.write, tenant, hashes),
    conversation: (tenant, user, threadId) => readConversation(store.write, tenant, user, threadId),
    inputs: (ref) => readInputs(store.write, ref),
    release: async (lease) => pump.offer(await releaseLease(store, lease)),
    putBlob: (tenant, bytes) => putBlob(store.write, tenant, bytes),
    blob: (tenant, hash) => readBlob(store.write, tenant, hash),
    live: createLiveText(hot, config, log),
  };
}

function onCommitted(
  deps: TaskLogDeps,
  pump: OutboxPump,
  accepted: readonly PreparedAppend[],
  result: GroupResult,
): void {
  pump.offer(result.outbox);
  for (const append of accepted) {
    announceRecorded(deps.bus, append.lease, append.lastSeq);
  }
  for (const ref of result.woken) {
    announceInput(deps.bus, ref);
  }
  // Children do not outlive their parent. The sweeper does the same for a process that dies before
  // this.
  for (const append of accepted) {
    if (append.state !== undefined && append.state !== "WAITING") {
      announceEnded(deps.bus, append.lease);
    }
    if (append.state === "FAILED" || append.state === "CANCELLED") {
      void cancelChildren(deps, pump, append);
    }
  }
}

async function cancelChildren(
  deps: TaskLogDeps,
  pump: OutboxPump,
  append: PreparedAppend,
): Promise<void> {
  try {
    await cancelAndTell({ ...deps, pump }, append.lease, "parent", false);
  } catch (error) {
    deps.log.warn("children of an ended task are cancelled by the next sweep", {
      task: append.lease.taskId,
      reason: messageOf(error),
    });
  }
}
