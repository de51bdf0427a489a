import { extraOf } from "../extras.ts";
import { arrayOf, booleanOf, numberOf, objectOf, textOf, untranslatable } from "../json.ts";
import type {
  AnswerForm,
  JsonObject,
  NeutralRequest,
  Reasoning,
  ToolChoice,
  ToolDefinition,
  Turn,
} from "../types.ts";
import { readItems } from "./read-items.ts";

/* OpenAI's Responses API, without what it keeps for its clients. */

const understood: ReadonlySet<string> = new Set([
  "model",
  "input",
  "instructions",
  "stream",
  "stream_options",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "max_output_tokens",
  "temperature",
  "top_p",
  "top_k",
  "reasoning",
  "text",
  "user",
]);

/** Reads the body of `POST /v1/responses`. */
export function readRequest(body: JsonObject): NeutralRequest {
  const { input } = body;
  const text = objectOf(body["text"]);
  const verbosity = text["verbosity"] ?? undefined;
  return {
    model: textOf(body["model"]),
    isStream: body["stream"] === true,
    turns: [
      ...readInstructions(body["instructions"]),
      ...(typeof input === "string"
        ? [{ role: "user", parts: [{ kind: "text", text: input }] } as const]
        : readItems(arrayOf(input), "input")),
    ],
    continuesLast: false,
    tools: arrayOf(body["tools"]).map((tool, at) => readTool(tool, `tools.${at}`)),
    toolChoice: readToolChoice(body["tool_choice"]),
    allowsParallelCalls: booleanOf(body["parallel_tool_calls"]),
    answerTokensMax: numberOf(body["max_output_tokens"]),
    temperature: numberOf(body["temperature"]),
    topP: numberOf(body["top_p"]),
    topK: numberOf(body["top_k"]),
    stops: [],
    reasoning: readReasoning(objectOf(body["reasoning"])),
    form: readForm(objectOf(text["format"])),
    user: textOf(body["user"]),
    extra: { ...extraOf(body, understood), ...(verbosity === undefined ? {} : { verbosity }) },
  };
}

function readInstructions(instructions: unknown): readonly Turn[] {
  return typeof instructions === "string" && instructions !== ""
    ? [{ role: "system", parts: [{ kind: "text", text: instructions }] }]
    : [];
}

function readTool(value: unknown, field: string): ToolDefinition {
  const tool = objectOf(value);
  const name = textOf(tool["name"]);
  if (tool["type"] !== "function" || name === undefined) {
    throw untranslatable(`${field}.type`, "must be function: no other server runs OpenAI's tools");
  }
  return {
    name,
    description: textOf(tool["description"]),
    schema: tool["parameters"] ?? undefined,
    isStrict: booleanOf(tool["strict"]),
  };
}

function readToolChoice(value: unknown): ToolChoice | undefined {
  if (value === undefined || value === null) {
    return undefined;
  }
  if (value === "auto" || value === "none" || value === "required") {
    return { kind: value };
  }
  const { type, name } = objectOf(value);
  if (type !== "function" || typeof name !== "string") {
    throw untranslatable("tool_choice", "must be auto, none, required or one function");
  }
  return { kind: "tool", name };
}

function readReasoning(reasoning: JsonObject): Reasoning | undefined {
  const effort = textOf(reasoning["effort"]);
  const shown = textOf(reasoning["summary"]);
  return effort === undefined && shown === undefined
    ? undefined
    : { isOn: effort !== "none", effort, shown: shown === undefined ? undefined : "summarized" };
}

function readForm(format: JsonObject): AnswerForm | undefined {
  switch (format["type"]) {
    case undefined:
    case "text":
      return undefined;
    case "json_object":
      return { kind: "json" };
    case "json_schema":
      return {
        kind: "schema",
        name: textOf(format["name"]),
        schema: format["schema"],
        isStrict: booleanOf(format["strict"]),
      };
    default:
      throw untranslatable("text.format.type", "must be text, json_object or json_schema");
  }
}
