import { WarmpathError } from "@warmpath/runtime/base";
import { arrayOf, brokenProtocol, countOf, isObject, objectOf, textOf } from "../json.ts";
import type { Finish, JsonObject, NeutralAnswer, Part, Usage } from "../types.ts";
import { readItems } from "./read-items.ts";
import { writeOutput } from "./write-output.ts";

/* Whole answers, and what they share with streams: status and usage. */

/** Item types that every format has a word for; what OpenAI's own tools did has none. */
const answerItems: ReadonlySet<unknown> = new Set(["message", "reasoning", "function_call"]);

/** Reads a `response`. */
export function readAnswer(body: JsonObject): NeutralAnswer {
  if (!Array.isArray(body["output"])) {
    throw brokenProtocol("sent a response without output");
  }
  if (body["status"] === "failed") {
    const message = textOf(objectOf(body["error"])["message"]) ?? "no reason was given";
    throw new WarmpathError("failed-upstream", `the upstream failed: ${message}`);
  }
  const items = arrayOf(body["output"]).filter((item) => answerItems.has(objectOf(item)["type"]));
  return {
    id: textOf(body["id"]) ?? "",
    model: textOf(body["model"]) ?? "",
    parts: readItems(items, "output").flatMap(({ parts }): readonly Part[] => parts),
    finish: readFinish(body),
    usage: isObject(body["usage"]) ? readUsage(body["usage"]) : undefined,
  };
}

/** Writes a `response`. */
export function writeAnswer(answer: NeutralAnswer): JsonObject {
  const { id, model, parts, finish, usage } = answer;
  const output = writeOutput(parts, id);
  return responseOf({ id, model, output, finish, usage });
}

/** A response at any time of its life; without a finish it is in progress. */
export function responseOf(state: {
  readonly id: string;
  readonly model: string;
  readonly output: readonly unknown[];
  readonly finish: Finish | undefined;
  readonly usage: Usage | undefined;
}): JsonObject {
  const { id, model, output, finish, usage } = state;
  const reason = finish === undefined ? undefined : incompleteReasons[finish.kind];
  return {
    id: responseId(id),
    object: "response",
    created_at: 0,
    status: statusOf(finish),
    error: null,
    incomplete_details: reason === undefined ? null : { reason },
    instructions: null,
    metadata: {},
    model,
    output,
    parallel_tool_calls: true,
    temperature: null,
    tool_choice: "auto",
    tools: [],
    top_p: null,
    usage: usage === undefined ? null : writeUsage(usage),
  };
}

/** Ids of this API say what they are of. */
export function responseId(id: string): string {
  return id.startsWith("resp_") ? id : `resp_${id}`;
}

const incompleteReasons: Partial<Record<Finish["kind"], string>> = {
  length: "max_output_tokens",
  refusal: "content_filter",
};

export function statusOf(finish: Finish | undefined): string {
  if (finish === undefined) {
    return "in_progress";
  }
  return incompleteReasons[finish.kind] === undefined ? "completed" : "incomplete";
}

/** vLLM may say `completed` of a stream and name the reason all the same. */
export function readFinish(response: JsonObject): Finish {
  switch (objectOf(response["incomplete_details"])["reason"]) {
    case "max_output_tokens":
      return { kind: "length" };
    case "content_filter":
      return { kind: "refusal" };
    default:
      return { kind: response["status"] === "incomplete" ? "length" : "stop" };
  }
}

export function readUsage(usage: JsonObject): Usage {
  const input = objectOf(usage["input_tokens_details"]);
  return {
    inputTokens: countOf(usage["input_tokens"]),
    cachedInputTokens: countOf(input["cached_tokens"]),
    cacheWriteTokens: countOf(input["cache_write_tokens"]),
    outputTokens: countOf(usage["output_tokens"]),
    reasoningTokens: countOf(objectOf(usage["output_tokens_details"])["reasoning_tokens"]),
  };
}

export function writeUsage(usage: Usage): JsonObject {
  const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens, reasoningTokens } = usage;
  return {
    input_tokens: inputTokens,
    input_tokens_details: {
      cached_tokens: cachedInputTokens,
      cache_write_tokens: cacheWriteTokens,
    },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}
