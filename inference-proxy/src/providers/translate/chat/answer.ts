import { arrayOf, brokenProtocol, compact, countOf, isObject, objectOf, textOf } from "../json.ts";
import type { Finish, JsonObject, NeutralAnswer, Usage } from "../types.ts";
import { readAssistantParts } from "./read-request.ts";
import { writeAssistant } from "./write-assistant.ts";

/* Whole answers, and what they share with streams: finish reasons and usage. */

/** Reads a `chat.completion`; only its first choice, since more than one is never asked for. */
export function readAnswer(body: JsonObject): NeutralAnswer {
  const choice = objectOf(arrayOf(body["choices"])[0]);
  const { message } = choice;
  if (!isObject(message)) {
    throw brokenProtocol("sent a chat completion without a message");
  }
  return {
    id: textOf(body["id"]) ?? "",
    model: textOf(body["model"]) ?? "",
    parts: readAssistantParts(message, "choices.0.message"),
    finish: readFinish(textOf(choice["finish_reason"]), textOf(choice["stop_reason"])),
    usage: isObject(body["usage"]) ? readUsage(body["usage"]) : undefined,
  };
}

/** Writes a `chat.completion`. */
export function writeAnswer(answer: NeutralAnswer): JsonObject {
  const { id, model, parts, finish, usage } = answer;
  const message = writeAssistant(parts, "message", { ignoresUnknown: true }, (id) => id);
  return compact({
    id,
    object: "chat.completion",
    // No format but this one says when; a constant at least does not pretend to.
    created: 0,
    model,
    choices: [
      {
        index: 0,
        message: { ...message, refusal: message["refusal"] ?? null },
        logprobs: null,
        finish_reason: writeFinish(finish),
      },
    ],
    usage: usage === undefined ? undefined : writeUsage(usage),
  });
}

/** `stopReason` is vLLM's: the stop sequence that ended the answer. */
export function readFinish(reason: string | undefined, stopReason: string | undefined): Finish {
  switch (reason) {
    case "length":
      return { kind: "length" };
    case "tool_calls":
    case "function_call":
      return { kind: "tool-calls" };
    case "content_filter":
      return { kind: "refusal" };
    default:
      return stopReason === undefined
        ? { kind: "stop" }
        : { kind: "stop-sequence", sequence: stopReason };
  }
}

export function writeFinish(finish: Finish): string {
  switch (finish.kind) {
    case "length":
      return "length";
    case "tool-calls":
      return "tool_calls";
    case "refusal":
      return "content_filter";
    case "stop":
    case "stop-sequence":
    case "pause":
      return "stop";
  }
}

export function readUsage(usage: JsonObject): Usage {
  const prompt = objectOf(usage["prompt_tokens_details"]);
  return {
    inputTokens: countOf(usage["prompt_tokens"]),
    cachedInputTokens: countOf(prompt["cached_tokens"]),
    cacheWriteTokens: countOf(prompt["cache_write_tokens"]),
    outputTokens: countOf(usage["completion_tokens"]),
    reasoningTokens: countOf(objectOf(usage["completion_tokens_details"])["reasoning_tokens"]),
  };
}

export function writeUsage(usage: Usage): JsonObject {
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = usage;
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: {
      cached_tokens: cachedInputTokens,
      ...(cacheWriteTokens === 0 ? {} : { cache_write_tokens: cacheWriteTokens }),
    },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}
