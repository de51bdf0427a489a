/**
 * What watchers see of stored events: texts in place of hashes. One stored event is one view, with
 * the same number.
 */
import { create } from "@bufbuild/protobuf";
import {
  type Message,
  RequestedToolCallSchema,
  type TaskEvent,
  TaskEventSchema,
} from "@warmpath/proto/common";
import type { ModelAnswered, ToolIntent } from "@warmpath/proto/log";
import { textOf } from "@warmpath/runtime";
import { hex } from "../log/bytes.ts";
import type { StoredEvent } from "../log/types.ts";
import { timeFromMs } from "./task-from-row.ts";

/** What views are resolved from; gathered in one query each for a whole page. */
export interface ViewSources {
  /** Messages by hexadecimal hash. */
  readonly messages: ReadonlyMap<string, Message>;
  /** Intents by call id, of the steps that the page touches. */
  readonly intents: ReadonlyMap<string, ToolIntent>;
}

/** Hashes of the messages whose text the view of an event shows. */
export function hashesOf(event: StoredEvent): Uint8Array[] {
  const { kind } = event.event;
  switch (kind.case) {
    case "submitted":
    case "modelAnswered":
    case "messageReceived":
    case "completed":
      return kind.value.messageHash.length === 0 ? [] : [kind.value.messageHash];
    case "toolsFinished":
      return kind.value.results.map((result) => result.messageHash);
    default:
      return [];
  }
}

/** The view of one event. */
export function viewOf(stored: StoredEvent, sources: ViewSources): TaskEvent {
  return create(TaskEventSchema, {
    seq: stored.seq,
    recordTime: timeFromMs(stored.recordedAtMs),
    kind: kindOf(stored, sources),
  });
}

type ViewKind = NonNullable<Parameters<typeof create<typeof TaskEventSchema>>[1]>["kind"];

function kindOf({ event }: StoredEvent, sources: ViewSources): NonNullable<ViewKind> {
  const { kind } = event;
  const text = (hash: Uint8Array) => {
    const message = sources.messages.get(hex(hash));
    return message === undefined ? "" : textOf(message);
  };
  switch (kind.case) {
    case "submitted": {
      const { agent, threadId, messageHash } = kind.value;
      return { case: "submitted", value: { agent, threadId, text: text(messageHash) } };
    }
    case "started":
      return { case: "started", value: { agentSpecHash: hex(kind.value.agentSpecHash) } };
    case "modelAnswered":
      return { case: "modelAnswered", value: answerView(kind.value, text) };
    case "toolsExecuting":
      return { case: "toolStarted", value: toolStartedView(kind.value, sources) };
    case "toolsFinished":
      return { case: "toolFinished", value: toolFinishedView(kind.value, sources) };
    case "messageReceived":
      return { case: "messageReceived", value: { text: text(kind.value.messageHash) } };
    case "waiting":
      return { case: "waiting", value: { reason: kind.value.reason } };
    case "completed": {
      const { messageHash, usage } = kind.value;
      const shown = usage === undefined ? {} : { usage };
      return { case: "completed", value: { answer: text(messageHash), ...shown } };
    }
    case "failed": {
      const { failure } = kind.value;
      return { case: "failed", value: failure === undefined ? {} : { failure } };
    }
    case "cancelled":
      return { case: "cancelled", value: {} };
    default:
      // An event of a newer schema: watchers see its number, so that their sequence has no gap.
      return { case: undefined };
  }
}

function answerView(value: ModelAnswered, text: (hash: Uint8Array) => string) {
  return {
    step: value.step,
    text: text(value.messageHash),
    toolCalls: value.intents.map((intent) =>
      create(RequestedToolCallSchema, {
        callId: intent.callId,
        name: intent.name,
        argumentsJson: argumentsOf(intent),
      }),
    ),
    ...(value.usage === undefined ? {} : { usage: value.usage }),
    model: value.model,
    replica: value.replica,
    finishReason: value.finishReason,
    timeToFirstTokenMs: value.timeToFirstTokenMs,
    simulated: value.simulated,
  };
}

function argumentsOf(intent: ToolIntent | undefined): string {
  return intent === undefined ? "" : new TextDecoder().decode(intent.argumentsJson);
}

type Kinds = StoredEvent["event"]["kind"];
type Executing = Extract<Kinds, { case: "toolsExecuting" }>["value"];
type Finished = Extract<Kinds, { case: "toolsFinished" }>["value"];

function toolStartedView({ step, calls }: Executing, { intents }: ViewSources) {
  const call = calls[0];
  const intent = intents.get(call?.callId ?? "");
  return {
    step,
    callId: call?.callId ?? "",
    name: intent?.name ?? "",
    argumentsJson: argumentsOf(intent),
    childTaskId: call?.childTaskId ?? "",
  };
}

function toolFinishedView({ step, results }: Finished, { intents, messages }: ViewSources) {
  const result = results[0];
  const message = result === undefined ? undefined : messages.get(hex(result.messageHash));
  const part = message?.parts.find((each) => each.kind.case === "toolResult");
  return {
    step,
    callId: result?.callId ?? "",
    name: intents.get(result?.callId ?? "")?.name ?? "",
    outcome: result?.outcome ?? 0,
    content: part?.kind.case === "toolResult" ? part.kind.value.content : "",
  };
}
