import { encodeWire, messageHash, userMessage } from "@warmpath/runtime";
import { newId, WarmpathError } from "@warmpath/runtime/base";
import type { Sql } from "../store/sql.ts";
import type { Store } from "../store/store.ts";
import { textFromUtf8 } from "./bytes.ts";
import {
  type CreatedTask,
  insertRequestedTask,
  storeMessage,
  type TaskRequest,
} from "./create-task.ts";
import { wakeWaiting } from "./end-effects.ts";
import { type IdempotentRequest, moveKey, reserveKey } from "./idempotency.ts";
import type { LogConfig } from "./log-config.ts";
import { writeOutbox } from "./outbox.ts";
import { encodeMessage } from "./prepare-append.ts";
import type { LaneName, StateName, TaskRef } from "./types.ts";

/** A message to a task. Agent, conversation and lane are the task's. */
export type MessageRequest = Omit<TaskRequest, "agent" | "threadId" | "lane"> & {
  readonly taskId: string;
};

/** Where a message went. */
export interface SentMessage extends CreatedTask {
  /** The running task whose worker should look into its inbox. */
  readonly woken: TaskRef | undefined;
}

interface TargetRow {
  readonly state: StateName;
  readonly agent: string;
  readonly lane: LaneName;
  readonly thread_id: Uint8Array | null;
  readonly user_id: Uint8Array;
}

/**
 * Puts a message into a task's inbox; after its end, creates the task that continues its
 * conversation.
 */
export async function sendMessage(
  deps: { store: Store; config: LogConfig },
  request: MessageRequest,
): Promise<SentMessage> {
  const { tenant } = request.principal;
  const idempotent: IdempotentRequest = {
    tenant,
    key: request.idempotencyKey,
    parts: ["send-message", request.principal.user, request.taskId, request.text],
    taskId: request.taskId,
  };
  return await deps.store.write.transaction(async (tx) => {
    const earlier = await reserveKey(tx, idempotent, deps.config.idempotencyMs);
    if (earlier !== undefined) {
      return { taskId: earlier, outbox: [], woken: undefined };
    }
    // The lock orders this message before or after the task's end, never beside it.
    const [target] = await tx.query<TargetRow>(
      `select state, agent, lane, thread_id, user_id from tasks
       where tenant = $1 and task_id = $2 for update`,
      [tenant, request.taskId],
    );
    if (target === undefined) {
      throw taskNotFound(request.taskId);
    }
    if (["COMPLETED", "FAILED", "CANCELLED"].includes(target.state)) {
      return await continueConversation(tx, request, target, idempotent);
    }
    return await putIntoInbox(tx, request);
  });
}

/** The one sentence for a task that is not there, or not the caller's. */
export function taskNotFound(taskId: string): WarmpathError {
  return new WarmpathError("rejected-not-found", `there is no task ${taskId.slice(0, 64)}`, {
    fields: [{ field: "taskId", fault: "names no task" }],
  });
}

async function putIntoInbox(tx: Sql, request: MessageRequest): Promise<SentMessage> {
  const ref = { tenant: request.principal.tenant, taskId: request.taskId };
  const message = encodeWire(userMessage(request.text));
  const stored = encodeMessage({ hash: messageHash(message), message });
  await storeMessage(tx, ref.tenant, stored);
  await tx.query(
    "insert into inbox (tenant, task_id, kind, message_hash) values ($1, $2, 'message', $3)",
    [ref.tenant, ref.taskId, stored.hash],
  );
  const outbox = await writeOutbox(tx, await wakeWaiting(tx, [ref]));
  return { taskId: ref.taskId, outbox, woken: ref };
}

async function continueConversation(
  tx: Sql,
  request: MessageRequest,
  target: TargetRow,
  idempotent: IdempotentRequest,
): Promise<SentMessage> {
  if (target.thread_id === null) {
    throw new WarmpathError(
      "rejected-task-ended",
      `task ${request.taskId} has ended and belongs to no conversation; submit a new task`,
    );
  }
  const taskId = newId("task");
  const outbox = await insertRequestedTask(tx, taskId, {
    ...request,
    principal: { ...request.principal, user: textFromUtf8(target.user_id) },
    agent: target.agent,
    lane: target.lane,
    threadId: textFromUtf8(target.thread_id),
  });
  await moveKey(tx, idempotent, taskId);
  return { taskId, outbox, woken: undefined };
}
