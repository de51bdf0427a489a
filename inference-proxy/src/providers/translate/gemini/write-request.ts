import { carryExtra } from "../extras.ts";
import { compact, untranslatable } from "../json.ts";
import { budgetOf } from "../reasoning.ts";
import { joinResults } from "../turns.ts";
import type {
  AnswerForm,
  JsonObject,
  NeutralRequest,
  Reasoning,
  ToolChoice,
  ToolDefinition,
} from "../types.ts";
import { writeContents } from "./write-contents.ts";

/* Google's `models.generateContent`, v1beta. Model and streaming are in its path. */

/** OpenAI's names of members that this API has under its own. */
const renamed: Readonly<Record<string, string>> = {
  seed: "seed",
  presence_penalty: "presencePenalty",
  frequency_penalty: "frequencyPenalty",
};
const held: ReadonlySet<string> = new Set(Object.keys(renamed));

/** Writes the body of `POST /v1beta/models/{model}:generateContent`. */
export function writeRequest(request: NeutralRequest): JsonObject {
  const { tools, turns, model } = request;
  if (request.allowsParallelCalls === false && tools.length > 0) {
    throw untranslatable("parallel_tool_calls", "cannot be false: Gemini has no word for it");
  }
  if (request.continuesLast) {
    throw untranslatable(
      "messages",
      "ends with words of the assistant, which Gemini does not continue",
    );
  }
  const system = turns.filter(({ role }) => role === "system").flatMap(({ parts }) => parts);
  const texts = system.flatMap((part) => (part.kind === "text" ? [{ text: part.text }] : []));
  const extra = Object.entries(carryExtra(request.extra, held));
  return compact({
    ...Object.fromEntries(extra.filter(([name]) => !held.has(name))),
    contents: writeContents(
      joinResults(turns.filter(({ role }) => role !== "system")),
      model ?? "",
    ),
    systemInstruction: texts.length === 0 ? undefined : { parts: texts },
    tools: tools.length === 0 ? undefined : [{ functionDeclarations: tools.map(writeTool) }],
    toolConfig: tools.length === 0 ? undefined : writeToolChoice(request.toolChoice),
    generationConfig: writeConfig(
      request,
      Object.fromEntries(
        extra.filter(([name]) => held.has(name)).map(([name, value]) => [renamed[name], value]),
      ),
    ),
  });
}

function writeConfig(request: NeutralRequest, more: JsonObject): JsonObject | undefined {
  const { stops } = request;
  const config = compact({
    ...more,
    maxOutputTokens: request.answerTokensMax,
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK,
    stopSequences: stops.length === 0 ? undefined : stops,
    ...writeForm(request.form),
    thinkingConfig: writeThinking(request.reasoning),
  });
  return Object.keys(config).length === 0 ? undefined : config;
}

function writeForm(form: AnswerForm | undefined): JsonObject {
  if (form === undefined) {
    return {};
  }
  const responseMimeType = "application/json";
  return form.kind === "json"
    ? { responseMimeType }
    : { responseMimeType, responseJsonSchema: form.schema };
}

function writeThinking(reasoning: Reasoning | undefined): JsonObject | undefined {
  if (reasoning === undefined) {
    return undefined;
  }
  return reasoning.isOn
    ? compact({ includeThoughts: true, thinkingBudget: budgetOf(reasoning) })
    : { thinkingBudget: 0 };
}

function writeTool({ name, description, schema }: ToolDefinition): JsonObject {
  return compact({ name, description, parametersJsonSchema: schema });
}

const modes = { auto: "AUTO", none: "NONE", required: "ANY" } as const;

function writeToolChoice(choice: ToolChoice | undefined): JsonObject | undefined {
  if (choice === undefined) {
    return undefined;
  }
  return {
    functionCallingConfig:
      choice.kind === "tool"
        ? { mode: "ANY", allowedFunctionNames: [choice.name] }
        : { mode: modes[choice.kind] },
  };
}
