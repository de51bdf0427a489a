import { ToolOutcome as ProtoOutcome, type Usage } from "@warmpath/proto/common";
import type { ModelAnswered, ToolFinish, ToolsExecuting } from "@warmpath/proto/log";
import { assert } from "@warmpath/runtime/base";
import type { StoredEvent } from "@warmpath/state/log";
import type { ToolOutcome } from "../tools/tool.ts";
import { type CallState, emptyRun, type RunState, type UsageTotals } from "./run-state.ts";

/** What the fold reads of a stored event. */
export type FoldedEvent = Pick<StoredEvent, "seq" | "epoch" | "event">;

/**
 * Rebuilds a run from its events. Folding a prefix and then the rest gives the same as folding all.
 */
export function foldEvents(events: readonly FoldedEvent[], from: RunState = emptyRun): RunState {
  return events.reduce(applyEvent, from);
}

/** The state after one more event; the events must come in order and without gaps. */
export function applyEvent(before: RunState, { seq, epoch, event }: FoldedEvent): RunState {
  assert(seq === before.lastSeq + 1n, `event ${seq} follows event ${before.lastSeq}`);
  const state: RunState = { ...before, lastSeq: seq, lastEpoch: epoch };
  const { kind } = event;
  switch (kind.case) {
    case "submitted":
      return { ...state, messages: [...state.messages, kind.value.messageHash] };
    case "started":
      return {
        ...state,
        specHash: kind.value.agentSpecHash,
        history: kind.value.historyHashes,
      };
    case "modelAnswered":
      return afterAnswer(state, kind.value);
    case "toolsExecuting":
      return afterExecuting(state, kind.value);
    case "toolsFinished":
      return kind.value.results.reduce(afterFinish, state);
    case "messageReceived":
      return afterMessage(state, kind.value.messageHash);
    case "waiting":
      return state;
    case "completed":
    case "failed":
    case "cancelled":
      return { ...state, hasEnded: true };
    case undefined:
      // The claim refuses tasks with events newer than this code, so an unknown kind is damage.
      throw new Error(`event ${seq} has no kind`);
  }
}

function afterAnswer(state: RunState, answered: ModelAnswered): RunState {
  const repeats = new Map(state.repeats);
  let { repeatsMax } = state;
  const calls = answered.intents.map((intent): CallState => {
    const argumentsJson = new TextDecoder().decode(intent.argumentsJson);
    const key = `${intent.name}\n${normalJson(argumentsJson)}`;
    const times = (repeats.get(key) ?? 0) + 1;
    repeats.set(key, times);
    repeatsMax = Math.max(repeatsMax, times);
    return { ...intent, argumentsJson, progress: { at: "intended" } };
  });
  return {
    ...state,
    sentCount: state.history.length + state.messages.length,
    messages: [...state.messages, answered.messageHash],
    steps: answered.step,
    finishReason: answered.finishReason,
    answerHash: calls.length === 0 ? answered.messageHash : undefined,
    calls: calls.map(({ callId, name, argumentsJson, progress }) => ({
      callId,
      name,
      argumentsJson,
      progress,
    })),
    toolCallCount: state.toolCallCount + calls.length,
    repeats,
    repeatsMax,
    usage: addUsage(state.usage, answered.usage),
  };
}

function afterExecuting(state: RunState, executing: ToolsExecuting): RunState {
  const calls = state.calls.map((call): CallState => {
    const execution = executing.calls.find(({ callId }) => callId === call.callId);
    if (!execution || call.progress.at !== "intended") return call;
    const { idempotencyKey, idempotent, reconcilable, childTaskId } = execution;
    return {
      ...call,
      progress: {
        at: "executing",
        execution: { idempotencyKey, idempotent, reconcilable, childTaskId },
      },
    };
  });
  return { ...state, calls };
}

/**
 * Results join the prompt only when all are there, in the order of the calls, whatever order they
 * came in.
 */
function afterFinish(before: RunState, finish: ToolFinish): RunState {
  const isOpen = before.calls.some(
    ({ callId, progress }) => callId === finish.callId && progress.at !== "finished",
  );
  // A delegate's tokens are counted once, with the result that its parent takes in.
  const state = isOpen ? { ...before, usage: addUsage(before.usage, finish.usage) } : before;
  const calls = state.calls.map((call): CallState => {
    if (call.callId !== finish.callId || call.progress.at === "finished") return call;
    const { messageHash } = finish;
    return {
      ...call,
      progress: { at: "finished", outcome: outcomeFromProto(finish.outcome), messageHash },
    };
  });
  const results: Uint8Array[] = [];
  for (const { progress } of calls) {
    if (progress.at !== "finished") return { ...state, calls };
    results.push(progress.messageHash);
  }
  return {
    ...state,
    calls: [],
    messages: [...state.messages, ...results, ...state.heldMessages],
    heldMessages: [],
  };
}

function afterMessage(state: RunState, messageHash: Uint8Array): RunState {
  return state.calls.length > 0
    ? { ...state, heldMessages: [...state.heldMessages, messageHash] }
    : { ...state, messages: [...state.messages, messageHash], answerHash: undefined };
}

/** Sums two usages. */
export function addUsage(total: UsageTotals, more: Usage | undefined): UsageTotals {
  if (!more) return total;
  return {
    inputTokens: total.inputTokens + more.inputTokens,
    cachedInputTokens: total.cachedInputTokens + more.cachedInputTokens,
    outputTokens: total.outputTokens + more.outputTokens,
    reasoningTokens: total.reasoningTokens + more.reasoningTokens,
    costNanodollars: total.costNanodollars + more.costNanodollars,
    modelCalls: total.modelCalls + more.modelCalls,
  };
}

const outcomes: Record<ProtoOutcome, ToolOutcome> = {
  [ProtoOutcome.DONE]: "done",
  [ProtoOutcome.FAILED]: "failed",
  [ProtoOutcome.UNKNOWN]: "unknown",
  [ProtoOutcome.UNSPECIFIED]: "unknown",
};

/** The outcome in words; an unspecified one is an unknown one. */
export function outcomeFromProto(outcome: ProtoOutcome): ToolOutcome {
  return outcomes[outcome] ?? "unknown";
}

/** The outcome as the contract numbers it. */
export function outcomeToProto(outcome: ToolOutcome): ProtoOutcome {
  if (outcome === "done") return ProtoOutcome.DONE;
  return outcome === "failed" ? ProtoOutcome.FAILED : ProtoOutcome.UNKNOWN;
}

/** Spacing is not a difference between two calls. */
function normalJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    // Not JSON: compared as written.
    return text;
  }
}
