import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { TaskState } from "@warmpath/proto/common";
import {
  CancelTaskResponseSchema,
  CreateTaskResponseSchema,
  GetTaskResponseSchema,
  type ListTasksRequest,
  ListTasksResponseSchema,
  SendMessageResponseSchema,
  type TaskLimits,
  type TaskService,
} from "@warmpath/proto/state";
import { type Principal, principalOf } from "@warmpath/runtime";
import { isId } from "@warmpath/runtime/base";
import { announceInput } from "../log/announce.ts";
import { utf8 } from "../log/bytes.ts";
import { cancelAndTell } from "../log/cancel-and-tell.ts";
import { createTask, type TaskRequestLimits } from "../log/create-task.ts";
import { sendMessage, taskNotFound } from "../log/send-message.ts";
import type { TaskRef } from "../log/types.ts";
import type { SqlValue } from "../store/sql.ts";
import { cutToPageBytes } from "./page-bytes.ts";
import { formatPageToken, parsePageToken } from "./page-token.ts";
import { readEvents } from "./read-events.ts";
import type { ServiceDeps } from "./service-deps.ts";
import {
  laneNameFromProto,
  stateNumber,
  type TaskHeadRow,
  taskFromRow,
  taskHeadColumns,
} from "./task-from-row.ts";

const pageSizeDefault = 50;

/** `state.v1.TaskService`. */
export function createTaskService(deps: ServiceDeps): ServiceImpl<typeof TaskService> {
  const { store, pump, hot, bus } = deps;
  return {
    async createTask(request, context) {
      const created = await createTask(deps, {
        principal: principalOf(context),
        agent: request.agent,
        text: request.text,
        threadId: request.threadId,
        idempotencyKey: request.idempotencyKey,
        lane: laneNameFromProto(request.lane),
        limits: limitsFrom(request.limits),
        traceparent: traceparentOf(context),
      });
      pump.offer(created.outbox);
      return create(CreateTaskResponseSchema, { taskId: created.taskId });
    },
    async getTask({ taskId }, context) {
      const ref = refFrom(principalOf(context), taskId);
      const [row] = await store.write.query<TaskHeadRow>(
        `select ${taskHeadColumns} from tasks where tenant = $1 and task_id = $2`,
        [ref.tenant, ref.taskId],
      );
      if (row === undefined) {
        throw taskNotFound(taskId);
      }
      return create(GetTaskResponseSchema, { task: taskFromRow(row) });
    },
    listTasks: (request, context) => listTasks(deps, principalOf(context), request),
    async cancelTask({ taskId }, context) {
      const principal = principalOf(context);
      const ref = refFrom(principal, taskId);
      const state = await cancelAndTell(deps, ref, `key ${principal.keyId}`);
      return create(CancelTaskResponseSchema, { state: stateNumber[state] });
    },
    async sendMessage(request, context) {
      const principal = principalOf(context);
      const sent = await sendMessage(deps, {
        principal,
        taskId: refFrom(principal, request.taskId).taskId,
        text: request.text,
        idempotencyKey: request.idempotencyKey,
        limits: limitsFrom(request.limits),
        traceparent: traceparentOf(context),
      });
      pump.offer(sent.outbox);
      if (sent.woken !== undefined) {
        announceInput(bus, sent.woken);
      }
      return create(SendMessageResponseSchema, { taskId: sent.taskId });
    },
    readEvents: (request, context) =>
      readEvents(store.write, hot, refFrom(principalOf(context), request.taskId), request),
  };
}

/** The named task within the caller's tenant. What cannot be an id names no task. */
function refFrom(principal: Principal, taskId: string): TaskRef {
  if (!isId("task", taskId)) {
    throw taskNotFound(taskId);
  }
  return { tenant: principal.tenant, taskId };
}

function limitsFrom(limits: TaskLimits | undefined): TaskRequestLimits {
  return {
    concurrentTasks: limits?.concurrentTasks ?? 0,
    conversationMessages: limits?.conversationMessages ?? 0,
  };
}

/** The trace the call belongs to; what is not of W3C's form is left out. */
function traceparentOf(context: HandlerContext): string {
  const header = context.requestHeader.get("traceparent") ?? "";
  return /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(header) ? header : "";
}

/** Newest first: ids are UUIDv7, so their order is that of time. Delegated tasks are not listed. */
async function listTasks(deps: ServiceDeps, principal: Principal, request: ListTasksRequest) {
  const size = request.pageSize === 0 ? pageSizeDefault : request.pageSize;
  const scope = [
    "tasks",
    principal.tenant,
    principal.user,
    String(request.state),
    request.threadId,
  ];
  const after = parsePageToken(request.pageToken, scope, 1);
  const values: SqlValue[] = [principal.tenant, utf8(principal.user), size + 1];
  let where = "tenant = $1 and user_id = $2 and depth = 0";
  const and = (condition: string, value: SqlValue) => {
    values.push(value);
    where += ` and ${condition} $${values.length}`;
  };
  if (after?.[0] !== undefined) {
    and("task_id <", after[0]);
  }
  if (request.state !== TaskState.UNSPECIFIED) {
    and("state =", TaskState[request.state] ?? "");
  }
  if (request.threadId !== "") {
    and("thread_id =", utf8(request.threadId));
  }
  const rows = await deps.store.read.query<TaskHeadRow>(
    `select ${taskHeadColumns} from tasks where ${where} order by task_id desc limit $3`,
    values,
  );
  const page = cutToPageBytes(
    rows.slice(0, size),
    (row) => row.prompt.length + (row.answer?.length ?? 0) + (row.failure?.length ?? 0),
  );
  const last = page.at(-1);
  return create(ListTasksResponseSchema, {
    tasks: page.map(taskFromRow),
    nextPageToken:
      rows.length > page.length && last !== undefined ? formatPageToken([last.task_id], scope) : "",
  });
}
