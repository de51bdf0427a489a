import { replicaLimits } from "../config.ts";
import { isObject, objectAt, textAt } from "../json.ts";
import type { JsonObject, SamplingRequest } from "../types.ts";
import type { Call } from "./call.ts";
import { checkRanges, checkTypes, float } from "./check-fields.ts";
import { ApiError, badRequest } from "./errors.ts";
import { integerAt } from "./read-body.ts";

/** Checks what chat and completion requests share, in the recorded engine's order. */
export function samplingFrom(body: JsonObject, call: Call): SamplingRequest {
  const { config } = call.context;
  checkTypes(body);
  const model = modelFrom(body, call);
  checkRank(call);
  const maxTokens = maxTokensFrom(body, config.maxModelLen);
  const n = integerAt(body, "n") ?? 1;
  if (n < 1) throw badRequest(`n must be at least 1, got ${n}.`);
  if (n > replicaLimits.choicesMax) {
    throw badRequest(`n must be at most ${replicaLimits.choicesMax}, got ${n}.`);
  }
  const temperature = body["temperature"];
  if (typeof temperature === "number" && temperature < 0) {
    const shown = float(temperature);
    throw badRequest(
      `temperature must be non-negative, got ${shown}. (parameter=temperature, value=${shown})`,
      "temperature",
    );
  }
  checkRanges(body, maxTokens);
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
  const includeUsage = streamOptions["include_usage"] === true || config.forceIncludeUsage;
  const continuousUsage =
    streamOptions["continuous_usage_stats"] === true || config.forceIncludeUsage;
  return {
    model,
    stream,
    includeUsage,
    continuousUsage: includeUsage && continuousUsage,
    maxTokens,
    n,
    temperature: typeof temperature === "number" ? temperature : 1,
    stop: stopFrom(body["stop"]),
    cacheSalt: textAt(body, "cache_salt") || undefined,
    ignoreEos: body["ignore_eos"] === true,
    returnTokenIds: body["return_token_ids"] === true,
    ...identityFrom(body, call),
    logprobs: logprobsFrom(body),
  };
}

/** The model of a request: the one that is served, also where none is named. */
export function modelFrom(body: JsonObject, call: Call): string {
  const served = call.context.config.model;
  const model = textAt(body, "model") || served;
  if (model === served) return model;
  const message = `The model \`${model}\` does not exist. Valid aliases: ${served}.`;
  throw new ApiError(404, "NotFoundError", message, "model");
}

/** Who asks, for what, and how urgently; headers win over the body. */
export function identityFrom(
  body: JsonObject,
  { http, context }: Call,
): Pick<SamplingRequest, "requestId" | "sessionId" | "priority"> {
  const named = http.headers.get("x-request-id") ?? textAt(body, "request_id");
  const priority = http.headers.get("x-vllm-priority") ?? body["priority"];
  return {
    requestId: named === "" ? context.newHexId() : named,
    sessionId: http.headers.get("x-session-id") ?? (textAt(body, "session_id") || undefined),
    priority: Number.isSafeInteger(Number(priority ?? 0)) ? Number(priority ?? 0) : 0,
  };
}

/** This replica is one rank. */
function checkRank({ http }: Call): void {
  const rank = http.headers.get("x-data-parallel-rank");
  if (rank === undefined || rank === "0") return;
  throw badRequest(`data_parallel_rank ${rank} is out of range [0, 1).`);
}

/** Chat says `logprobs: true` and a count beside it; completions say the count itself. */
function logprobsFrom(body: JsonObject): number | undefined {
  const { logprobs } = body;
  if (typeof logprobs === "number") return Math.min(20, Math.max(0, Math.trunc(logprobs)));
  if (logprobs !== true) return undefined;
  return Math.min(20, Math.max(0, integerAt(body, "top_logprobs") ?? 0));
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

function stopFrom(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((item): item is string => typeof item === "string" && item !== "");
}
