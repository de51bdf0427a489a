import { carryExtra } from "../extras.ts";
import { compact, untranslatable } from "../json.ts";
import { joinResults } from "../turns.ts";
import type {
  AnswerForm,
  JsonObject,
  NeutralRequest,
  Reasoning,
  ToolDefinition,
  Turn,
  WriteTarget,
} from "../types.ts";
import { writeBlocks, writeCache } from "./write-blocks.ts";

/** Members of Anthropic's that the neutral shape has no word for. */
const held: ReadonlySet<string> = new Set([
  "container",
  "context_management",
  "mcp_servers",
  "inference_geo",
  "speed",
  "cache_control",
]);

/**
 * The API demands a maximum and OpenAI's clients seldom state one. Enough for an agent's longest
 * usual step, and within what every current model of Anthropic's may answer.
 */
const answerTokensDefault = 16_384;

/** Least budget of thinking that the API takes. */
const budgetTokensMin = 1024;

/** Writes the body of `POST /v1/messages`. */
export function writeRequest(request: NeutralRequest, target: WriteTarget): JsonObject {
  const { tools, stops, reasoning, temperature } = request;
  const thinking = writeThinking(reasoning);
  return compact({
    cache_control:
      target.cachesOnlyMarked === true && isWorthCaching(request) ? conversationMark : undefined,
    ...carryExtra(request.extra, held),
    model: request.model,
    max_tokens: answerTokensMax(request.answerTokensMax, thinking),
    system: writeSystem(request.turns),
    messages: writeTurns(request.turns),
    stream: request.isStream ? true : undefined,
    tools: tools.length === 0 ? undefined : tools.map(writeTool),
    tool_choice: tools.length === 0 ? undefined : writeToolChoice(request),
    // OpenAI's range ends at 2 and Anthropic's at 1: capped as in the provider's own layer.
    temperature: temperature === undefined ? undefined : Math.min(1, temperature),
    top_p: request.topP,
    top_k: request.topK,
    stop_sequences: stops.length === 0 ? undefined : stops,
    thinking,
    output_config: writeOutput(reasoning, request.form),
    metadata: request.user === undefined ? undefined : { user_id: request.user },
  });
}

/** Marks the last block that can be: each turn reads what the one before it wrote. */
const conversationMark = { type: "ephemeral" };

/**
 * Writing to the cache costs a quarter more than not, and reading a tenth: worth it for what comes
 * again, which a request with tools or with an answer in it does. A client's own marks stand alone.
 */
function isWorthCaching({ turns, tools }: NeutralRequest): boolean {
  const parts = turns.flatMap((turn) => turn.parts);
  const isMarked = [...tools, ...parts].some((each) => "cache" in each && each.cache !== undefined);
  return !isMarked && (tools.length > 0 || turns.some(({ role }) => role === "assistant"));
}

/** Thinking counts into the maximum: an answer must have room beside it. */
function answerTokensMax(asked: number | undefined, thinking: JsonObject | undefined): number {
  const budget = thinking?.["budget_tokens"];
  if (typeof budget !== "number") {
    return asked ?? answerTokensDefault;
  }
  return asked === undefined ? budget + answerTokensDefault : Math.max(asked, budget + 1);
}

/** All system turns stand in front here, as in the provider's own layer for OpenAI's clients. */
function writeSystem(turns: readonly Turn[]): unknown {
  const parts = turns.filter(({ role }) => role === "system").flatMap((turn) => turn.parts);
  const [only] = parts;
  if (parts.length === 1 && only?.kind === "text" && only.cache === undefined) {
    return only.text === "" ? undefined : only.text;
  }
  const blocks = writeBlocks(parts, "system");
  return blocks.length === 0 ? undefined : blocks;
}

function writeTurns(turns: readonly Turn[]): readonly JsonObject[] {
  const spoken = joinResults(turns.filter(({ role }) => role !== "system"));
  return spoken.flatMap(({ role, parts }, at): readonly JsonObject[] => {
    const [only] = parts;
    if (parts.length === 1 && only?.kind === "text" && only.cache === undefined) {
      return [{ role, content: only.text }];
    }
    const content = writeBlocks(parts, `messages.${at}.content`);
    return content.length === 0 ? [] : [{ role, content }];
  });
}

function writeTool({ name, description, schema, isStrict, cache }: ToolDefinition): JsonObject {
  return compact({
    name,
    description,
    input_schema: schema ?? { type: "object", properties: {} },
    strict: isStrict === true ? true : undefined,
    ...writeCache(cache),
  });
}

function writeToolChoice({ toolChoice, allowsParallelCalls }: NeutralRequest): unknown {
  if (toolChoice === undefined && allowsParallelCalls !== false) {
    return undefined;
  }
  const { kind } = toolChoice ?? { kind: "auto" };
  return compact({
    type: kind === "required" ? "any" : kind,
    name: toolChoice?.kind === "tool" ? toolChoice.name : undefined,
    disable_parallel_tool_use: allowsParallelCalls === false && kind !== "none" ? true : undefined,
  });
}

/** A stated budget goes as one; an effort leaves it to the model how much it needs. */
function writeThinking(reasoning: Reasoning | undefined): JsonObject | undefined {
  if (reasoning === undefined) {
    return undefined;
  }
  if (!reasoning.isOn) {
    return { type: "disabled" };
  }
  const { budgetTokens, shown } = reasoning;
  const display = shown === "summarized" || shown === "omitted" ? shown : undefined;
  return budgetTokens === undefined
    ? compact({ type: "adaptive", display })
    : compact({
        type: "enabled",
        budget_tokens: Math.max(budgetTokensMin, budgetTokens),
        display,
      });
}

function writeOutput(reasoning: Reasoning | undefined, form: AnswerForm | undefined): unknown {
  if (form?.kind === "json") {
    throw untranslatable(
      "response_format.type",
      "json_object has no counterpart in Anthropic's API; give a json_schema",
    );
  }
  const effort = reasoning?.isOn === true ? reasoning.effort : undefined;
  const output = compact({
    // The least that this API knows.
    effort: effort === "minimal" ? "low" : effort,
    format: form === undefined ? undefined : { type: "json_schema", schema: form.schema },
  });
  return Object.keys(output).length === 0 ? undefined : output;
}
