import type { RequestedToolCall, Task, Usage } from "@warmpath/proto/common";
import { TaskState, ToolOutcome } from "@warmpath/proto/common";
import type { WatchTaskResponse } from "@warmpath/proto/gateway";

/** Where a run is, in the page's words. */
export type RunState = "queued" | "running" | "waiting" | "completed" | "failed" | "cancelled";

/** One tool call as it is shown. */
export interface ToolView {
  readonly callId: string;
  readonly name: string;
  readonly args: string;
  readonly outcome: "running" | "done" | "failed" | "unknown";
  readonly content: string;
  readonly childTaskId: string;
}

/** Who served a step, and what it took. */
export interface ServedView {
  readonly model: string;
  readonly replica: string;
  readonly isSimulated: boolean;
  readonly firstTokenMs: number;
  readonly usage: Usage | undefined;
}

/** One step: the text so far, and once recorded who served it. */
export interface StepView {
  readonly kind: "step";
  readonly step: number;
  readonly text: string;
  /** True when the text was taken back because no answer was ever recorded. */
  readonly isVoid: boolean;
  readonly served: ServedView | undefined;
  readonly tools: readonly ToolView[];
}

/** A message that the running task took in. */
export interface MessageView {
  readonly kind: "message";
  readonly text: string;
}

/** A task as the page shows it: built from nothing but the watch's updates. */
export interface RunView {
  readonly taskId: string;
  readonly agent: string;
  readonly prompt: string;
  readonly state: RunState;
  readonly note: string;
  readonly items: readonly (StepView | MessageView)[];
  readonly usage: Usage | undefined;
}

/** A run of which nothing is known yet but what was asked. */
export function emptyRun(task: Pick<Task, "taskId" | "agent" | "prompt">): RunView {
  const { taskId, agent, prompt } = task;
  return { taskId, agent, prompt, state: "queued", note: "", items: [], usage: undefined };
}

/**
 * The run after one more update. Pure, so that replaying a log and watching it live show the same.
 */
export function withUpdate(run: RunView, { update }: WatchTaskResponse): RunView {
  switch (update.case) {
    case "delta": {
      const { step, text } = update.value;
      const change = (view: StepView) => ({
        ...view,
        text: view.isVoid ? text : view.text + text,
        isVoid: false,
      });
      return { ...withStep(run, step, change), state: "running" };
    }
    case "retraction":
      // Kept, crossed out, until the next attempt's text replaces it: text that vanishes unsettles
      // the reader.
      return withStep(run, update.value.step, (view) => ({ ...view, isVoid: true }));
    case "event":
      return withEvent(run, update.value.kind);
    default:
      return run;
  }
}

type EventKind = Extract<WatchTaskResponse["update"], { case: "event" }>["value"]["kind"];

function withEvent(run: RunView, kind: EventKind): RunView {
  switch (kind.case) {
    case "submitted":
      return { ...run, agent: kind.value.agent, prompt: kind.value.text };
    case "started":
      return { ...run, state: "running", note: "" };
    case "modelAnswered": {
      const { step, model, replica, simulated, timeToFirstTokenMs, usage, toolCalls } = kind.value;
      const where = { model, replica, isSimulated: simulated };
      const served = { ...where, firstTokenMs: timeToFirstTokenMs, usage };
      const tools = toolCalls.map(asked);
      return withStep({ ...run, state: "running" }, step, (view) => ({ ...view, served, tools }));
    }
    case "toolStarted": {
      const { step, callId, childTaskId } = kind.value;
      return withTool(run, step, callId, (tool) => ({ ...tool, childTaskId }), kind.value);
    }
    case "toolFinished": {
      const { step, callId, outcome, content } = kind.value;
      const result = { outcome: outcomeName(outcome), content };
      return withTool(run, step, callId, (tool) => ({ ...tool, ...result }), kind.value);
    }
    case "messageReceived":
      return { ...run, items: [...run.items, { kind: "message", text: kind.value.text }] };
    case "waiting":
      return { ...run, state: "waiting", note: kind.value.reason };
    case "completed":
      return { ...run, state: "completed", note: "", usage: kind.value.usage };
    case "failed":
      return { ...run, state: "failed", note: kind.value.failure?.message ?? "" };
    case "cancelled":
      return { ...run, state: "cancelled", note: "" };
    default:
      return run;
  }
}

function withStep(run: RunView, step: number, change: (view: StepView) => StepView): RunView {
  const isStep = (item: RunView["items"][number]) => item.kind === "step" && item.step === step;
  if (run.items.some(isStep)) {
    const items = run.items.map((item) =>
      item.kind === "step" && item.step === step ? change(item) : item,
    );
    return { ...run, items };
  }
  const empty = { text: "", isVoid: false, served: undefined, tools: [] };
  return { ...run, items: [...run.items, change({ kind: "step", step, ...empty })] };
}

function withTool(
  run: RunView,
  step: number,
  callId: string,
  change: (tool: ToolView) => ToolView,
  seen: { name: string; argumentsJson?: string },
): RunView {
  return withStep(run, step, (view) => {
    const { name, argumentsJson = "" } = seen;
    const isKnown = view.tools.some((tool) => tool.callId === callId);
    const tools = isKnown ? view.tools : [...view.tools, asked({ callId, name, argumentsJson })];
    return { ...view, tools: tools.map((tool) => (tool.callId === callId ? change(tool) : tool)) };
  });
}

function asked({
  callId,
  name,
  argumentsJson: args,
}: Pick<RequestedToolCall, "callId" | "name" | "argumentsJson">): ToolView {
  return { callId, name, args, outcome: "running", content: "", childTaskId: "" };
}

function outcomeName(outcome: ToolOutcome): ToolView["outcome"] {
  switch (outcome) {
    case ToolOutcome.DONE:
      return "done";
    case ToolOutcome.FAILED:
      return "failed";
    default:
      return "unknown";
  }
}

/** True when nothing more will come. */
export function isEnded(state: RunState): boolean {
  return state === "completed" || state === "failed" || state === "cancelled";
}

/** A listed task's state in the page's words. */
export function stateName(state: TaskState): RunState {
  switch (state) {
    case TaskState.RUNNING:
      return "running";
    case TaskState.WAITING:
      return "waiting";
    case TaskState.COMPLETED:
      return "completed";
    case TaskState.FAILED:
      return "failed";
    case TaskState.CANCELLED:
      return "cancelled";
    default:
      return "queued";
  }
}
