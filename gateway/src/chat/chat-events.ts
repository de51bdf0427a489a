import type { Failure, TaskEvent, Usage } from "@warmpath/proto/common";
import { ToolOutcome } from "@warmpath/proto/common";
import type { WatchTaskResponse } from "@warmpath/proto/gateway";
import { type Code, isReason, reasons } from "@warmpath/runtime/base";

/** The six names of a chat's server-sent events; the README documents their bodies. */
export type ChatEventName = "text" | "tool_call" | "tool_result" | "usage" | "error" | "done";

/** One server-sent event before it is written. */
export interface ChatEvent {
  readonly name: ChatEventName;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * What one watched update is to a chat: none, one, or two events (an ending without an answer is an
 * `error` and a
 * `done`).
 */
export function chatEventsOf(taskId: string, { update }: WatchTaskResponse): ChatEvent[] {
  const tell = (name: ChatEventName, body: Record<string, unknown>): ChatEvent => ({
    name,
    body: { task_id: taskId, ...body },
  });
  switch (update.case) {
    case "delta":
      return [tell("text", { step: update.value.step, text: update.value.text })];
    case "retraction":
      return [tell("text", { step: update.value.step, text: "", retract: true })];
    case "event":
      return eventsOf(update.value.kind, tell);
    default:
      return [];
  }
}

function eventsOf(
  kind: TaskEvent["kind"],
  tell: (name: ChatEventName, body: Record<string, unknown>) => ChatEvent,
): ChatEvent[] {
  switch (kind.case) {
    case "modelAnswered": {
      const { step, model, replica, simulated, finishReason, usage } = kind.value;
      const served = { model, replica, simulated, finish_reason: finishReason };
      return [tell("usage", { step, ...served, ...usageBody(usage) })];
    }
    case "toolStarted": {
      const { step, callId, name, argumentsJson, childTaskId } = kind.value;
      const child = childTaskId === "" ? {} : { child_task_id: childTaskId };
      return [
        tell("tool_call", { step, call_id: callId, name, arguments: argumentsJson, ...child }),
      ];
    }
    case "toolFinished": {
      const { step, callId, name, outcome, content } = kind.value;
      const how = outcomeName(outcome);
      return [tell("tool_result", { step, call_id: callId, name, outcome: how, content })];
    }
    case "completed": {
      const { answer, usage } = kind.value;
      return [tell("done", { state: "completed", answer, usage: usageBody(usage) })];
    }
    case "failed":
      return [tell("error", failureBody(kind.value.failure)), tell("done", { state: "failed" })];
    case "cancelled": {
      const failure = { code: "canceled", reason: "failed-cancelled" };
      const message = "The task was cancelled.";
      return [tell("error", { ...failure, message }), tell("done", { state: "cancelled" })];
    }
    default:
      return [];
  }
}

/** Usage in the words of the JSON routes. Counts and nano-dollars are exact up to 2^53. */
export function usageBody(usage: Usage | undefined): Record<string, number> {
  return {
    input_tokens: Number(usage?.inputTokens ?? 0),
    cached_input_tokens: Number(usage?.cachedInputTokens ?? 0),
    output_tokens: Number(usage?.outputTokens ?? 0),
    reasoning_tokens: Number(usage?.reasoningTokens ?? 0),
    cost_nanodollars: Number(usage?.costNanodollars ?? 0),
    model_calls: Number(usage?.modelCalls ?? 0),
  };
}

function failureBody(failure: Failure | undefined): {
  code: Code;
  reason: string;
  message: string;
} {
  const reason = failure?.reason ?? "failed-run";
  const code = isReason(reason) ? reasons[reason].code : "failed_precondition";
  return { code, reason, message: failure?.message ?? "The run ended without an answer." };
}

function outcomeName(outcome: ToolOutcome): "done" | "failed" | "unknown" {
  switch (outcome) {
    case ToolOutcome.DONE:
      return "done";
    case ToolOutcome.FAILED:
      return "failed";
    default:
      return "unknown";
  }
}
