import { replicaLimits } from "./config.ts";
import { ApiError, badRequest, schemaFault } from "./errors.ts";
import { isObject, listAt, objectAt, textAt } from "./json.ts";
import { tokenIdsOf, vocabularySize } from "./tokenizer.ts";
import type {
  ChatMessage,
  ChatRequest,
  CompletionRequest,
  JsonObject,
  SamplingRequest,
  Tool,
  ToolChoice,
} from "./types.ts";

/** What a request is checked against. */
export interface RequestContext {
  readonly model: string;
  readonly maxModelLen: number;
}

/** Reads and parses a JSON body, refusing what the recorded engine refuses. */
export async function readBody(request: Request): Promise<JsonObject> {
  const contentType = request.headers.get("content-type") ?? "";
  if (!contentType.startsWith("application/json")) {
    const reason = "Unsupported Media Type: Only 'application/json' is allowed";
    throw new ApiError(400, "Bad Request", `1 validation error:\n  ${reason}`);
  }
  const text = await request.text();
  if (text.trim() === "") {
    throw schemaFault({ type: "missing", loc: "body", msg: "Field required", input: "None" });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The position is not exact: the parser here does not report where it stopped.
    const loc = `body.${text.length}`;
    throw schemaFault({
      type: "json_invalid",
      loc,
      msg: "JSON decode error",
      input: "<dict of 0 items>', 'ctx': {'error': 'Expecting value'}",
    });
  }
  if (isObject(value)) return value;
  const msg = "Input should be a valid dictionary";
  throw schemaFault({ type: "dict_type", loc: "body", msg, input: String(value) });
}

/** Checks a chat request in the recorded engine's order. */
export function chatRequestFrom(body: JsonObject, context: RequestContext): ChatRequest {
  requireField(body, "messages");
  if (!Array.isArray(body["messages"])) throw wrongType(body, "messages", "list", "a valid list");
  const sampling = samplingFrom(body, context);
  const messages = listAt(body, "messages").map(messageFrom);
  if (messages.length === 0) {
    throw badRequest(
      "Cannot apply chat template to an empty conversation. Provide at least one message.",
    );
  }
  const tools = listAt(body, "tools").map(toolFrom);
  const format = objectAt(body, "response_format");
  const wantsJson = format["type"] === "json_schema" || format["type"] === "json_object";
  return {
    ...sampling,
    messages,
    tools,
    toolChoice: toolChoiceFrom(body["tool_choice"], tools),
    responseSchema: wantsJson ? objectAt(objectAt(format, "json_schema"), "schema") : undefined,
  };
}

/** Checks a completion request. */
export function completionRequestFrom(
  body: JsonObject,
  context: RequestContext,
): CompletionRequest {
  const sampling = samplingFrom(body, context);
  const prompts = promptsFrom(body["prompt"]);
  if (prompts.length === 0 || prompts.some((prompt) => prompt.tokens.length === 0)) {
    const message = "Either prompt or prompt_embeds must be provided and non-empty.";
    throw badRequest(`${message} (parameter=prompt)`, "prompt");
  }
  if (prompts.length > replicaLimits.promptsMax) {
    throw badRequest(`at most ${replicaLimits.promptsMax} prompts are supported`, "prompt");
  }
  return { ...sampling, prompts };
}

/** Refuses a prompt that leaves no room for an answer. */
export function checkPromptLength(tokenCount: number, maxModelLen: number): void {
  if (tokenCount < maxModelLen) return;
  const atLeast = maxModelLen + 1;
  throw badRequest(
    `This model's maximum context length is ${maxModelLen} tokens. However, your prompt contains at least ` +
      `${atLeast} input tokens, which exceeds this limit even without any output tokens. Please reduce the ` +
      `length of the input prompt. (parameter=input_tokens, value=${atLeast})`,
    "input_tokens",
  );
}

function samplingFrom(body: JsonObject, context: RequestContext): SamplingRequest {
  const model = textAt(body, "model") || context.model;
  if (model !== context.model) {
    const message = `The model \`${model}\` does not exist. Valid aliases: ${context.model}.`;
    throw new ApiError(404, "NotFoundError", message, "model");
  }
  const maxTokens = maxTokensFrom(body, context.maxModelLen);
  const n = integerAt(body, "n") ?? 1;
  if (n < 1) throw badRequest(`n must be at least 1, got ${n}.`);
  if (n > replicaLimits.choicesMax) {
    throw badRequest(`n must be at most ${replicaLimits.choicesMax}, got ${n}.`);
  }
  const temperature = body["temperature"];
  if (typeof temperature === "number" && temperature < 0) {
    const shown = Number.isInteger(temperature) ? `${temperature}.0` : String(temperature);
    throw badRequest(
      `temperature must be non-negative, got ${shown}. (parameter=temperature, value=${shown})`,
      "temperature",
    );
  }
  if (body["cache_salt"] === "") {
    const message = "Parameter 'cache_salt' must be a non-empty string if provided.";
    throw badRequest(`${message} (parameter=cache_salt)`, "cache_salt");
  }
  const stream = body["stream"] === true;
  if (!stream && isObject(body["stream_options"])) {
    const message = "Stream options can only be defined when `stream=True`.";
    throw badRequest(`${message} (parameter=stream_options)`, "stream_options");
  }
  const streamOptions = objectAt(body, "stream_options");
  const includeUsage = streamOptions["include_usage"] === true;
  return {
    model,
    stream,
    includeUsage,
    continuousUsage: includeUsage && streamOptions["continuous_usage_stats"] === true,
    maxTokens,
    n,
    stop: stopFrom(body["stop"]),
    cacheSalt: textAt(body, "cache_salt") || undefined,
    ignoreEos: body["ignore_eos"] === true,
    returnTokenIds: body["return_token_ids"] === true,
  };
}

function maxTokensFrom(body: JsonObject, maxModelLen: number): number | undefined {
  const maxTokens = integerAt(body, "max_completion_tokens") ?? integerAt(body, "max_tokens");
  if (maxTokens === undefined) return undefined;
  const suffix = `(parameter=max_tokens, value=${maxTokens})`;
  if (maxTokens < 1) {
    throw badRequest(`max_tokens must be at least 1, got ${maxTokens}. ${suffix}`, "max_tokens");
  }
  if (maxTokens > maxModelLen) {
    throw badRequest(
      `max_tokens=${maxTokens} cannot be greater than max_model_len=${maxModelLen}. ` +
        `Please request fewer output tokens. ${suffix}`,
      "max_tokens",
    );
  }
  return maxTokens;
}

function messageFrom(value: unknown): ChatMessage {
  const toolCalls = listAt(value, "tool_calls").map((call) => ({
    id: textAt(call, "id"),
    name: textAt(objectAt(call, "function"), "name"),
    argumentsJson: textAt(objectAt(call, "function"), "arguments"),
  }));
  return {
    role: textAt(value, "role"),
    text: contentText(isObject(value) ? value["content"] : undefined),
    toolCalls,
    toolCallId: textAt(value, "tool_call_id") || undefined,
  };
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: unknown) => textAt(part, "text")).join("");
}

function toolFrom(value: unknown): Tool {
  const declared = objectAt(value, "function");
  return {
    name: textAt(declared, "name"),
    description: textAt(declared, "description"),
    parameters: objectAt(declared, "parameters"),
  };
}

function toolChoiceFrom(value: unknown, tools: readonly Tool[]): ToolChoice {
  const named = textAt(objectAt(value, "function"), "name");
  if ((value === "required" || named !== "") && tools.length === 0) {
    const message = "When using `tool_choice`, `tools` must be set. (parameter=tool_choice)";
    throw badRequest(message, "tool_choice");
  }
  if (named !== "") {
    if (tools.some((tool) => tool.name === named)) return { kind: "named", name: named };
    const message =
      "The tool specified in `tool_choice` does not match any of the specified `tools`";
    throw badRequest(`${message} (parameter=tool_choice)`, "tool_choice");
  }
  if (value === "required" || value === "none") return { kind: value };
  return { kind: tools.length === 0 ? "none" : "auto" };
}

function promptsFrom(value: unknown): { tokens: readonly number[]; text: string }[] {
  if (typeof value === "string") return [{ tokens: tokenIdsOf(value), text: value }];
  if (!Array.isArray(value) || value.length === 0) return [];
  if (value.every((item) => typeof item === "number")) return [tokenPrompt(value)];
  return value.flatMap((item: unknown) => promptsFrom(item));
}

function tokenPrompt(tokens: readonly number[]): { tokens: readonly number[]; text: string } {
  const stranger = tokens.find((token) => token < 0 || token >= vocabularySize);
  if (stranger !== undefined) throw badRequest(`Token id ${stranger} is out of vocabulary`);
  return { tokens, text: "" };
}

function stopFrom(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((item): item is string => typeof item === "string" && item !== "");
}

function integerAt(body: JsonObject, key: string): number | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isInteger(value)) return value;
  const msg = "Input should be a valid integer, unable to parse string as an integer";
  throw schemaFault({ type: "int_parsing", loc: `body.${key}`, msg, input: String(value) });
}

function requireField(body: JsonObject, key: string): void {
  if (body[key] !== undefined && body[key] !== null) return;
  const input = `<dict of ${Object.keys(body).length} items>`;
  throw schemaFault({ type: "missing", loc: `body.${key}`, msg: "Field required", input });
}

function wrongType(body: JsonObject, key: string, type: string, wanted: string): ApiError {
  const msg = `Input should be ${wanted}`;
  return schemaFault({ type: `${type}_type`, loc: `body.${key}`, msg, input: String(body[key]) });
}
