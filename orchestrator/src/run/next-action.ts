import type { Reason } from "@warmpath/runtime/base";
import type { Input } from "@warmpath/state/log";
import type { AgentLimits } from "../agents/agent-spec.ts";
import type { CallState, RunState } from "./run-state.ts";

/** What the loop does next. */
export type Action =
  | { readonly kind: "start" }
  | { readonly kind: "cancel"; readonly inputs: readonly Input[] }
  | { readonly kind: "execute"; readonly calls: readonly CallState[] }
  | { readonly kind: "recover"; readonly calls: readonly CallState[] }
  | { readonly kind: "finish-delegates"; readonly inputs: readonly Input[] }
  | { readonly kind: "wait"; readonly childTaskIds: readonly string[] }
  | { readonly kind: "take-messages"; readonly inputs: readonly Input[] }
  | { readonly kind: "call-model" }
  | { readonly kind: "complete"; readonly answerHash: Uint8Array }
  | { readonly kind: "fail"; readonly reason: Reason; readonly message: string };

/**
 * Decides from the recorded state, the inbox and the agent's limits alone: the same events lead
 * every worker to the same action. A call that is executing here belongs to a worker that is gone,
 * because a living one awaits its calls.
 */
export function nextAction(
  state: RunState,
  inputs: readonly Input[],
  limits: AgentLimits | undefined,
): Action {
  if (inputs.some(({ kind }) => kind === "cancel")) return { kind: "cancel", inputs };
  if (state.specHash === undefined || limits === undefined) return { kind: "start" };
  const ended = inputs.filter((input) => isEndOfOpenChild(input, state));
  if (ended.length > 0) return { kind: "finish-delegates", inputs: ended };
  const forCalls = actionForCalls(state, limits);
  if (forCalls && forCalls.kind !== "wait") return forCalls;
  // Taken in even while children run: a task cannot wait with something in its inbox.
  const messages = inputs.filter(({ kind }) => kind === "message");
  if (messages.length > 0) return { kind: "take-messages", inputs: messages };
  if (forCalls) return forCalls;
  if (state.answerHash !== undefined) return actionForAnswer(state, state.answerHash);
  if (state.steps >= limits.maxSteps) {
    const message = `the run took ${state.steps} steps, as many as its agent may take`;
    return { kind: "fail", reason: "failed-step-limit", message };
  }
  return { kind: "call-model" };
}

function isEndOfOpenChild(input: Input, { calls }: RunState): boolean {
  return (
    input.kind === "child-ended" &&
    calls.some(
      ({ callId, progress }) =>
        callId === input.callId &&
        progress.at === "executing" &&
        progress.execution.childTaskId === input.childTaskId,
    )
  );
}

function actionForCalls(state: RunState, limits: AgentLimits): Action | undefined {
  if (state.calls.length === 0) return undefined;
  const intended = state.calls.filter(({ progress }) => progress.at === "intended");
  if (intended.length > 0) {
    if (state.repeatsMax > limits.maxRepeatedCalls) {
      const message = `the model made the same tool call ${state.repeatsMax} times`;
      return { kind: "fail", reason: "failed-loop", message };
    }
    if (state.toolCallCount > limits.maxToolCalls) {
      const message = `the run asked for ${state.toolCallCount} tool calls; its agent may make ${limits.maxToolCalls}`;
      return { kind: "fail", reason: "failed-step-limit", message };
    }
    return { kind: "execute", calls: intended };
  }
  const childTaskIds: string[] = [];
  const orphans: CallState[] = [];
  for (const call of state.calls) {
    if (call.progress.at !== "executing") continue;
    if (call.progress.execution.childTaskId === "") orphans.push(call);
    else childTaskIds.push(call.progress.execution.childTaskId);
  }
  return orphans.length > 0 ? { kind: "recover", calls: orphans } : { kind: "wait", childTaskIds };
}

/** A cut answer is not passed off as a whole one. */
function actionForAnswer(state: RunState, answerHash: Uint8Array): Action {
  if (state.finishReason === "length") {
    const message = "the model's answer was cut at the agent's max_output_tokens";
    return { kind: "fail", reason: "failed-output-limit", message };
  }
  if (state.finishReason === "content_filter") {
    const message = "the provider's content filter ended the answer";
    return { kind: "fail", reason: "failed-run", message };
  }
  return { kind: "complete", answerHash };
}
