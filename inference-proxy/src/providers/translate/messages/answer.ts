import { arrayOf, brokenProtocol, countOf, isObject, objectOf, textOf } from "../json.ts";
import type { Finish, JsonObject, NeutralAnswer, Usage } from "../types.ts";
import { readBlocks } from "./read-blocks.ts";
import { writeAnswerBlock } from "./write-blocks.ts";

/* Whole answers, and what they share with streams: stop reasons and usage. */

/** Reads a `message`. */
export function readAnswer(body: JsonObject): NeutralAnswer {
  if (!Array.isArray(body["content"])) {
    throw brokenProtocol("sent a message without content");
  }
  return {
    id: textOf(body["id"]) ?? "",
    model: textOf(body["model"]) ?? "",
    parts: readBlocks(answerBlocks(body["content"]), "content"),
    finish: readFinish(body),
    usage: isObject(body["usage"]) ? readUsage(body["usage"]) : undefined,
  };
}

/** The blocks that are the answer's own: what Anthropic's own tools did has no counterpart. */
function answerBlocks(content: unknown): readonly unknown[] {
  return arrayOf(content).filter((block) => isAnswerBlock(objectOf(block)["type"]));
}

/** True for a block that every format has a word for. */
export function isAnswerBlock(type: unknown): boolean {
  return (
    type === "text" || type === "thinking" || type === "redacted_thinking" || type === "tool_use"
  );
}

/** Writes a `message`. */
export function writeAnswer({ id, model, parts, finish, usage }: NeutralAnswer): JsonObject {
  return {
    id: messageId(id),
    type: "message",
    role: "assistant",
    model,
    content: parts
      .filter((part) => part.kind !== "text" || part.text !== "")
      .map((part) => writeAnswerBlock(part)),
    ...writeFinish(finish),
    usage: writeUsage(usage ?? noUsage),
  };
}

/** Ids of this API say what they are of. */
export function messageId(id: string): string {
  return id.startsWith("msg_") ? id : `msg_${id}`;
}

const noUsage: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
};

/** Reads `stop_reason` and `stop_sequence` of an answer or of a delta. */
export function readFinish(message: JsonObject): Finish {
  switch (message["stop_reason"]) {
    case "max_tokens":
    case "model_context_window_exceeded":
      return { kind: "length" };
    case "tool_use":
      return { kind: "tool-calls" };
    case "stop_sequence":
      return { kind: "stop-sequence", sequence: textOf(message["stop_sequence"]) };
    case "refusal":
      return { kind: "refusal" };
    case "pause_turn":
      return { kind: "pause" };
    default:
      return { kind: "stop" };
  }
}

export function writeFinish(finish: Finish): JsonObject {
  return finish.kind === "stop-sequence"
    ? { stop_reason: "stop_sequence", stop_sequence: finish.sequence ?? null }
    : { stop_reason: stopReasons[finish.kind], stop_sequence: null };
}

const stopReasons = {
  stop: "end_turn",
  length: "max_tokens",
  "tool-calls": "tool_use",
  refusal: "refusal",
  pause: "pause_turn",
} as const;

/** What is read from and written to the cache is not part of `input_tokens` here. */
export function readUsage(usage: JsonObject): Usage {
  const cachedInputTokens = countOf(usage["cache_read_input_tokens"]);
  const cacheWriteTokens = countOf(usage["cache_creation_input_tokens"]);
  return {
    inputTokens: countOf(usage["input_tokens"]) + cachedInputTokens + cacheWriteTokens,
    cachedInputTokens,
    cacheWriteTokens,
    outputTokens: countOf(usage["output_tokens"]),
    reasoningTokens: countOf(objectOf(usage["output_tokens_details"])["thinking_tokens"]),
  };
}

export function writeUsage(usage: Usage): JsonObject {
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = usage;
  return {
    input_tokens: Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens),
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cachedInputTokens,
    output_tokens: outputTokens,
    ...(reasoningTokens === 0
      ? {}
      : { output_tokens_details: { thinking_tokens: reasoningTokens } }),
  };
}
