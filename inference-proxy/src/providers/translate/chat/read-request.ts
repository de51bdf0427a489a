import { extraOf } from "../extras.ts";
import {
  arrayOf,
  booleanOf,
  isObject,
  numberOf,
  objectOf,
  textOf,
  untranslatable,
} from "../json.ts";
import { sourceOfUrl } from "../media.ts";
import { readSeal } from "../seal.ts";
import type {
  AnswerForm,
  JsonObject,
  MediaPart,
  NeutralRequest,
  Part,
  Seal,
  TextPart,
  ToolChoice,
  ToolDefinition,
  Turn,
} from "../types.ts";
import { blockFormat } from "./write-assistant.ts";

/* OpenAI's chat completions, and what vLLM and others add to them. */

const understood: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "stream",
  "stream_options",
  "continue_final_message",
  "add_generation_prompt",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "max_tokens",
  "max_completion_tokens",
  "temperature",
  "top_p",
  "top_k",
  "stop",
  "reasoning_effort",
  "response_format",
  "user",
]);

/** Reads the body of `POST /v1/chat/completions`. */
export function readRequest(body: JsonObject): NeutralRequest {
  const effort = textOf(body["reasoning_effort"]);
  const stop = body["stop"];
  return {
    model: textOf(body["model"]),
    isStream: body["stream"] === true,
    turns: arrayOf(body["messages"]).map((message, at) => readMessage(message, `messages.${at}`)),
    continuesLast: body["continue_final_message"] === true,
    tools: arrayOf(body["tools"]).map((tool, at) => readTool(tool, `tools.${at}`)),
    toolChoice: readToolChoice(body["tool_choice"]),
    allowsParallelCalls: booleanOf(body["parallel_tool_calls"]),
    answerTokensMax: numberOf(body["max_completion_tokens"]) ?? numberOf(body["max_tokens"]),
    temperature: numberOf(body["temperature"]),
    topP: numberOf(body["top_p"]),
    topK: numberOf(body["top_k"]),
    stops: typeof stop === "string" ? [stop] : arrayOf(stop).map(String),
    reasoning: effort === undefined ? undefined : { isOn: effort !== "none", effort },
    form: readForm(body["response_format"]),
    user: textOf(body["user"]),
    extra: extraOf(body, understood),
  };
}

function readMessage(value: unknown, field: string): Turn {
  const message = objectOf(value);
  switch (message["role"]) {
    case "system":
    case "developer":
      return { role: "system", parts: readContent(message, field) };
    case "user":
      return { role: "user", parts: readContent(message, field) };
    case "assistant":
      return { role: "assistant", parts: readAssistantParts(message, field) };
    case "tool":
      return { role: "user", parts: [readToolResult(message, field)] };
    default:
      throw untranslatable(`${field}.role`, "must be system, developer, user, assistant or tool");
  }
}

/** Content as parts; a mark of the whole message belongs to its last part. */
function readContent(message: JsonObject, field: string): readonly (TextPart | MediaPart)[] {
  const content = message["content"];
  const parts =
    typeof content === "string"
      ? [{ kind: "text", text: content } as const]
      : arrayOf(content).map((part, at) => readContentPart(part, `${field}.content.${at}`));
  const mark = cacheOf(message);
  const last = parts.at(-1);
  return mark.cache === undefined || last === undefined
    ? parts
    : [...parts.slice(0, -1), { ...last, ...mark }];
}

function readContentPart(value: unknown, field: string): TextPart | MediaPart {
  const part = objectOf(value);
  switch (part["type"]) {
    case "text":
      return { kind: "text", text: textOf(part["text"]) ?? "", ...cacheOf(part) };
    case "image_url": {
      const image = objectOf(part["image_url"]);
      const url = textOf(image["url"]) ?? textOf(part["image_url"]);
      if (url === undefined) {
        throw untranslatable(`${field}.image_url`, "must have a url");
      }
      const detail = textOf(image["detail"]);
      return { kind: "image", source: sourceOfUrl(url), detail, ...cacheOf(part) };
    }
    case "file": {
      const file = objectOf(part["file"]);
      const id = textOf(file["file_id"]);
      const source =
        id === undefined
          ? sourceOfUrl(textOf(file["file_data"]) ?? "")
          : ({ kind: "id", id } as const);
      return { kind: "file", source, name: textOf(file["filename"]), ...cacheOf(part) };
    }
    default:
      throw untranslatable(`${field}.type`, "has no counterpart in the API that serves this model");
  }
}

/** An assistant's message of a request or of an answer. */
export function readAssistantParts(message: JsonObject, field: string): readonly Part[] {
  if (isObject(message["function_call"]) || isObject(message["audio"])) {
    throw untranslatable(field, "holds a function_call or audio, which cannot be translated");
  }
  const content = message["content"];
  const refusal = textOf(message["refusal"]);
  const calls = arrayOf(message["tool_calls"]);
  return [
    ...readThinking(message),
    ...(content === "" ? [] : readAssistantContent(message, field)),
    ...(refusal === undefined || refusal === ""
      ? []
      : [{ kind: "refusal", text: refusal } as const]),
    ...calls.map((call, at) => readToolCall(call, `${field}.tool_calls.${at}`)),
  ];
}

function readAssistantContent(message: JsonObject, field: string): readonly Part[] {
  const refusals = arrayOf(message["content"]).filter(
    (part) => objectOf(part)["type"] === "refusal",
  );
  if (refusals.length === 0) {
    return readContent(message, field);
  }
  return arrayOf(message["content"]).map((part, at) =>
    objectOf(part)["type"] === "refusal"
      ? { kind: "refusal", text: textOf(objectOf(part)["refusal"]) ?? "" }
      : readContentPart(part, `${field}.content.${at}`),
  );
}

/** Signed thinking comes in blocks; vLLM and others show the bare text under one of two names. */
function readThinking(message: JsonObject): readonly Part[] {
  const blocks = arrayOf(message["thinking_blocks"]).map(objectOf);
  if (blocks.length > 0) {
    return blocks.map((block) =>
      block["type"] === "redacted_thinking"
        ? { kind: "sealed-thinking", seal: readSeal(textOf(block["data"]) ?? "", blockFormat) }
        : {
            kind: "thinking",
            text: textOf(block["thinking"]) ?? "",
            seal: sealOf(block["signature"]),
          },
    );
  }
  const text = textOf(message["reasoning"]) ?? textOf(message["reasoning_content"]) ?? "";
  return text === "" ? [] : [{ kind: "thinking", text }];
}

function sealOf(signature: unknown): Seal | undefined {
  return typeof signature === "string" ? readSeal(signature, blockFormat) : undefined;
}

function readToolCall(value: unknown, field: string): Part {
  const call = objectOf(value);
  const called = objectOf(call["function"]);
  const name = textOf(called["name"]);
  if (name === undefined) {
    throw untranslatable(`${field}.type`, "must be function");
  }
  return {
    kind: "tool-call",
    id: textOf(call["id"]) ?? "",
    name,
    argumentsJson: textOf(called["arguments"]) ?? "",
    ...cacheOf(call),
  };
}

function readToolResult(message: JsonObject, field: string): Part {
  const callId = textOf(message["tool_call_id"]);
  if (callId === undefined) {
    throw untranslatable(`${field}.tool_call_id`, "is missing");
  }
  const { content, cache } = unmarkLast(readContent(message, field));
  return { kind: "tool-result", callId, content, isError: false, cache };
}

/** A mark at the end of a result is a mark of the result, wherever the client could put it. */
function unmarkLast(parts: readonly (TextPart | MediaPart)[]) {
  const last = parts.at(-1);
  return last?.cache === undefined
    ? { content: parts, cache: undefined }
    : { content: [...parts.slice(0, -1), { ...last, cache: undefined }], cache: last.cache };
}

function readTool(value: unknown, field: string): ToolDefinition {
  const tool = objectOf(value);
  const definition = objectOf(tool["function"]);
  const name = textOf(definition["name"]);
  if (tool["type"] !== "function" || name === undefined) {
    throw untranslatable(`${field}.type`, "must be function, with a name");
  }
  return {
    name,
    description: textOf(definition["description"]),
    schema: definition["parameters"],
    isStrict: booleanOf(definition["strict"]),
    ...cacheOf(isObject(tool["cache_control"]) ? tool : definition),
  };
}

function readToolChoice(value: unknown): ToolChoice | undefined {
  if (value === undefined || value === null) {
    return undefined;
  }
  if (value === "auto" || value === "none" || value === "required") {
    return { kind: value };
  }
  const name = textOf(objectOf(objectOf(value)["function"])["name"]);
  if (name === undefined) {
    throw untranslatable("tool_choice", "must be auto, none, required or one function");
  }
  return { kind: "tool", name };
}

function readForm(value: unknown): AnswerForm | undefined {
  const format = objectOf(value);
  switch (format["type"]) {
    case undefined:
    case "text":
      return undefined;
    case "json_object":
      return { kind: "json" };
    case "json_schema": {
      const schema = objectOf(format["json_schema"]);
      return {
        kind: "schema",
        name: textOf(schema["name"]),
        schema: schema["schema"],
        isStrict: booleanOf(schema["strict"]),
      };
    }
    default:
      throw untranslatable("response_format.type", "must be text, json_object or json_schema");
  }
}

function cacheOf(value: JsonObject): { readonly cache?: JsonObject } {
  const mark = value["cache_control"];
  return isObject(mark) ? { cache: mark } : {};
}
