import { Lane } from "@warmpath/proto/common";
import { httpError, type OpenSpan } from "@warmpath/runtime";
import { isId, WarmpathError } from "@warmpath/runtime/base";
import type { Caller } from "./authenticate.ts";
import { chatEventsOf } from "./chat/chat-events.ts";
import { formatSse, formatSseComment, sseHeaders, streamOf } from "./chat/sse.ts";
import { agentRule, defaultAgent, textRule, threadIdRule } from "./http/fields.ts";
import { readJsonFields } from "./http/json-body.ts";
import type { GatewayMetrics } from "./metrics.ts";
import { type TaskDeps, taskLimits } from "./tasks.ts";
import { parseCursor } from "./watch/cursor.ts";
import { watchTask } from "./watch.ts";

/** What the chat routes stand on. */
export interface ChatDeps extends TaskDeps {
  readonly bodyBytesMax: number;
  readonly metrics: GatewayMetrics;
}

const chatRules = { message: textRule, thread_id: threadIdRule, agent: agentRule };

/**
 * POST /chat: a task in the conversation `thread_id`, followed as server-sent events. The task is
 * durable: a client that goes away frees the stream and nothing else, and may come back with {@link
 * resumeChat}.
 */
export async function startChat(
  deps: ChatDeps,
  caller: Caller,
  request: Request,
  span: OpenSpan,
): Promise<Response> {
  const fields = await readJsonFields(request, deps.bodyBytesMax, chatRules);
  const { message = "", thread_id: threadId = "", agent = defaultAgent } = fields;
  const { principal } = caller;
  await deps.agents.assertKnown(principal, agent);
  const limits = taskLimits(deps.door, principal);
  const task = { agent, text: message, threadId, lane: Lane.INTERACTIVE, limits };
  const { taskId } = await deps.state.tasks.createTask(task, { principal, signal: request.signal });
  return follow(deps, { caller, request, span }, taskId, "");
}

/**
 * GET /chat/TASK_ID: the same events of a task that exists, from `Last-Event-ID` on, else from the
 * beginning.
 */
export async function resumeChat(
  deps: ChatDeps,
  caller: Caller,
  request: Request,
  taskId: string,
  span: OpenSpan,
): Promise<Response> {
  if (!isId("task", taskId)) {
    throw new WarmpathError("rejected-not-found", `There is no task "${taskId.slice(0, 64)}".`);
  }
  const { principal } = caller;
  const cursor = request.headers.get("last-event-id") ?? "";
  if (cursor !== "") {
    // Refused here rather than in the stream, while there is still a status to say it with.
    parseCursor(taskId, cursor);
  }
  await deps.state.tasks.getTask({ taskId }, { principal, signal: request.signal });
  return follow(deps, { caller, request, span }, taskId, cursor);
}

/** A request to follow a task, and the span that lasts as long as its stream. */
interface Following {
  readonly caller: Caller;
  readonly request: Request;
  readonly span: OpenSpan;
}

function follow(
  deps: ChatDeps,
  { caller, request, span }: Following,
  taskId: string,
  cursor: string,
): Response {
  const { principal } = caller;
  const gone = new AbortController();
  const signal = AbortSignal.any([request.signal, gone.signal]);
  const texts = chatTexts(deps, { principal, taskId, cursor, signal });
  const headers = { ...sseHeaders, "warmpath-task-id": taskId };
  return new Response(streamOf(texts, { span, onCancel: () => gone.abort() }), { headers });
}

async function* chatTexts(
  deps: ChatDeps,
  request: Parameters<typeof watchTask>[1],
): AsyncGenerator<string, void, undefined> {
  const { taskId, signal } = request;
  deps.metrics.sseStreams.inc();
  try {
    // At once, so that the headers with the task's id leave before the first token.
    yield formatSseComment(taskId);
    for await (const response of watchTask(deps.watch, request)) {
      const events = chatEventsOf(taskId, response);
      if (response.update.case === "heartbeat") {
        yield formatSseComment("alive");
      }
      for (const [index, event] of events.entries()) {
        // Only the last event of an update carries the cursor: resuming there repeats none of them.
        const id = index === events.length - 1 ? response.cursor : undefined;
        yield formatSse({ ...event, id });
      }
    }
  } catch (thrown) {
    if (!signal.aborted) {
      yield formatSse(brokenStream(taskId, thrown));
    }
  } finally {
    deps.metrics.sseStreams.dec();
  }
}

/** After the first byte an error is an event, and the missing `done` says that the task goes on. */
function brokenStream(taskId: string, thrown: unknown) {
  const { code, reason, message, retryAfterMs } = httpError(thrown).body.error;
  const retry = retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs };
  return { name: "error", body: { task_id: taskId, code, reason, message, ...retry } };
}
