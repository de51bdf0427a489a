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
import type {
  AnswerForm,
  JsonObject,
  NeutralRequest,
  Reasoning,
  ToolChoice,
  ToolDefinition,
  Turn,
} from "../types.ts";
import { cacheOf, readBlocks } from "./read-blocks.ts";

/* Anthropic's Messages API, version 2023-06-01. */

const understood: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "system",
  "max_tokens",
  "stop_sequences",
  "stream",
  "temperature",
  "top_p",
  "top_k",
  "tools",
  "tool_choice",
  "thinking",
  "output_config",
  "metadata",
]);

/** Reads the body of `POST /v1/messages`. */
export function readRequest(body: JsonObject): NeutralRequest {
  const choice = objectOf(body["tool_choice"]);
  const isSerial = booleanOf(choice["disable_parallel_tool_use"]);
  const last = objectOf(arrayOf(body["messages"]).at(-1));
  return {
    model: textOf(body["model"]),
    isStream: body["stream"] === true,
    turns: [
      ...readSystem(body["system"]),
      ...arrayOf(body["messages"]).map((message, at) => readMessage(message, `messages.${at}`)),
    ],
    continuesLast: last["role"] === "assistant",
    tools: arrayOf(body["tools"]).map((tool, at) => readTool(tool, `tools.${at}`)),
    toolChoice: readToolChoice(choice),
    allowsParallelCalls: isSerial === undefined ? undefined : !isSerial,
    answerTokensMax: numberOf(body["max_tokens"]),
    temperature: numberOf(body["temperature"]),
    topP: numberOf(body["top_p"]),
    topK: numberOf(body["top_k"]),
    stops: arrayOf(body["stop_sequences"]).map(String),
    reasoning: readReasoning(objectOf(body["thinking"]), objectOf(body["output_config"])),
    form: readForm(objectOf(body["output_config"])["format"]),
    user: textOf(objectOf(body["metadata"])["user_id"]),
    extra: extraOf(body, understood),
  };
}

function readSystem(system: unknown): readonly Turn[] {
  const parts = readBlocks(system, "system");
  return parts.length === 0 ? [] : [{ role: "system", parts }];
}

function readMessage(value: unknown, field: string): Turn {
  const { role, content } = objectOf(value);
  if (role !== "user" && role !== "assistant" && role !== "system") {
    throw untranslatable(`${field}.role`, "must be user or assistant");
  }
  return { role, parts: readBlocks(content, `${field}.content`) };
}

function readTool(value: unknown, field: string): ToolDefinition {
  const tool = objectOf(value);
  const name = textOf(tool["name"]);
  const type = tool["type"] ?? "custom";
  if (type !== "custom" || name === undefined) {
    throw untranslatable(`${field}.type`, "is a tool that only Anthropic itself can run");
  }
  return {
    name,
    description: textOf(tool["description"]),
    schema: tool["input_schema"],
    isStrict: booleanOf(tool["strict"]),
    ...cacheOf(tool),
  };
}

function readToolChoice(choice: JsonObject): ToolChoice | undefined {
  switch (choice["type"]) {
    case undefined:
      return undefined;
    case "auto":
    case "none":
      return { kind: choice["type"] };
    case "any":
      return { kind: "required" };
    case "tool":
      return { kind: "tool", name: textOf(choice["name"]) ?? "" };
    default:
      throw untranslatable("tool_choice.type", "must be auto, any, tool or none");
  }
}

function readReasoning(thinking: JsonObject, output: JsonObject): Reasoning | undefined {
  const effort = textOf(output["effort"]);
  const { type } = thinking;
  if (type === undefined) {
    return effort === undefined ? undefined : { isOn: true, effort };
  }
  return {
    isOn: type !== "disabled",
    effort,
    budgetTokens: numberOf(thinking["budget_tokens"]),
    shown: textOf(thinking["display"]),
  };
}

function readForm(value: unknown): AnswerForm | undefined {
  if (!isObject(value)) {
    return undefined;
  }
  if (value["type"] !== "json_schema") {
    throw untranslatable("output_config.format.type", "must be json_schema");
  }
  return { kind: "schema", name: undefined, schema: value["schema"], isStrict: true };
}
