import type { TaskEvent, ToolFinished } from "@warmpath/proto/common";
import { Lane, ToolOutcome } from "@warmpath/proto/common";
import type { Principal } from "@warmpath/runtime";
import { httpError } from "@warmpath/runtime";
import { type Clock, isReason, timeoutSignal, WarmpathError } from "@warmpath/runtime/base";
import type { Caller } from "./authenticate.ts";
import { usageBody } from "./chat/chat-events.ts";
import type { ChatDeps } from "./chat.ts";
import { agentRule, defaultAgent, textRule } from "./http/fields.ts";
import { readJsonFields } from "./http/json-body.ts";
import { taskLimits } from "./tasks.ts";
import { watchTask } from "./watch.ts";

/** What the query route stands on. */
export interface QueryDeps extends ChatDeps {
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** A passage that the answer was looked up in. */
export interface Source {
  readonly source: string;
  readonly title: string;
}

const queryRules = { question: textRule, agent: agentRule };

/** Tells an agent that has other tools too where the answer is to come from. */
const instruction = "Look up in the docs: ";

/** Name of the tool whose results are the sources. */
const searchTool = "knowledge_search";

/** Sources listed in one answer; a run makes few searches of few matches each. */
const sourcesMax = 50;

/**
 * POST /query: one question over the knowledge base. An ordinary task underneath: it is recorded,
 * limited and watchable like any other, and goes on when the wait for it ends.
 */
export async function answerQuery(
  deps: QueryDeps,
  { principal }: Caller,
  request: Request,
): Promise<Response> {
  const fields = await readJsonFields(request, deps.bodyBytesMax, queryRules);
  const { question = "", agent = defaultAgent } = fields;
  await deps.agents.assertKnown(principal, agent);
  const limits = taskLimits(deps.door, principal);
  const text = instruction + question;
  const task = { agent, text, lane: Lane.INTERACTIVE, limits };
  const { taskId } = await deps.state.tasks.createTask(task, { principal, signal: request.signal });
  const headers = { "warmpath-task-id": taskId };
  try {
    const body = await waitForAnswer(deps, principal, taskId, request.signal);
    return Response.json({ ...body, task_id: taskId }, { headers });
  } catch (thrown) {
    const error = httpError(thrown);
    const body = { ...error.body, task_id: taskId };
    return Response.json(body, { status: error.status, headers: { ...error.headers, ...headers } });
  }
}

async function waitForAnswer(
  deps: QueryDeps,
  principal: Principal,
  taskId: string,
  requestSignal: AbortSignal,
) {
  const timeout = timeoutSignal(deps.clock, deps.timeoutMs);
  const signal = AbortSignal.any([requestSignal, timeout.signal]);
  const sources = new Map<string, Source>();
  try {
    for await (const { update } of watchTask(deps.watch, {
      principal,
      taskId,
      cursor: "",
      signal,
    })) {
      if (update.case !== "event") {
        continue;
      }
      const { kind } = update.value;
      if (kind.case === "toolFinished") {
        addSources(sources, kind.value);
      } else if (kind.case === "completed") {
        const { answer, usage } = kind.value;
        return { answer, sources: [...sources.values()], usage: usageBody(usage) };
      } else {
        throwIfEnded(kind);
      }
    }
  } catch (thrown) {
    if (timeout.signal.aborted) {
      const sentence =
        `No answer within ${deps.timeoutMs / 1000} s; task ${taskId} goes on: ` +
        `follow it with GET /chat/${taskId} or WatchTask.`;
      throw new WarmpathError("failed-timeout", sentence, { cause: thrown });
    }
    throw thrown;
  } finally {
    timeout.cancel();
  }
  throw new WarmpathError("failed-internal", "the watch ended before the task did");
}

function throwIfEnded(kind: TaskEvent["kind"]): void {
  if (kind.case === "failed") {
    const { reason = "", message = "The run ended without an answer." } = kind.value.failure ?? {};
    throw new WarmpathError(isReason(reason) ? reason : "failed-run", message);
  }
  if (kind.case === "cancelled") {
    throw new WarmpathError("failed-cancelled", "The task was cancelled.");
  }
}

/**
 * A search answers `{"matches":[{"source","title",…}]}`; what is not in that form names no source.
 */
function addSources(sources: Map<string, Source>, result: ToolFinished): void {
  if (result.name !== searchTool || result.outcome !== ToolOutcome.DONE) {
    return;
  }
  for (const { source, title } of matchesIn(result.content)) {
    if (sources.size < sourcesMax) {
      sources.set(`${source}\n${title}`, { source, title });
    }
  }
}

function matchesIn(content: string): Source[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    return [];
  }
  // Checked field by field below.
  const matches = (parsed as { matches?: unknown } | null)?.matches;
  if (!Array.isArray(matches)) {
    return [];
  }
  return matches.flatMap((match: { source?: unknown; title?: unknown } | null) => {
    const { source, title } = match ?? {};
    return typeof source === "string"
      ? [{ source, title: typeof title === "string" ? title : "" }]
      : [];
  });
}
