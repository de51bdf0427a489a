import { listAt, objectAt } from "../json.ts";
import { decide } from "../script/decide.ts";
import type { JsonObject, SamplingRequest } from "../types.ts";
import { type Handler, json } from "./call.ts";
import { promptTokensOf } from "./chat-template.ts";
import { promptAsChat } from "./completions.ts";
import { ApiError, badRequest } from "./errors.ts";
import { generate } from "./generate.ts";
import { answer, type Choice, type StreamShape } from "./generated-answer.ts";
import { readBody } from "./read-body.ts";
import { chatRequestFrom } from "./read-chat.ts";
import { completionRequestFrom, tokenPrompt } from "./read-completion.ts";
import { checkPromptLength, samplingFrom } from "./read-sampling.ts";
import { dataEvent, doneEvent } from "./sse.ts";
import { type Counts, wholeUsage } from "./usage.ts";

/** vLLM's own default where a request names none. */
const defaultMaxTokens = 16;

/** `POST /inference/v1/generate`: token ids in, token ids out. */
export const answerGenerate: Handler = scaleOutOnly((call) => {
  const body = readBody(call.http);
  const sampling = samplingFrom({ ...body, ...objectAt(body, "sampling_params") }, call);
  const request = { ...sampling, maxTokens: sampling.maxTokens ?? defaultMaxTokens };
  const { tokens } = tokenPrompt(tokenIdsAt(body));
  const { config, clock } = call.context;
  checkPromptLength(tokens.length, config.maxModelLen);
  const run = {
    id: `generate-tokens-${request.requestId}`,
    created: Math.floor(clock.nowMs() / 1000),
    model: request.model,
    choices: Array.from({ length: request.n }, (_, index) => {
      const reply = decide(promptAsChat({ text: "", tokens }, request.model), config.seed, index);
      const generated = generate(reply, request, config.maxModelLen - tokens.length);
      return { index, prompt: tokens, generated };
    }),
  };
  return answer(
    {
      request,
      choices: run.choices,
      promptTokens: tokens.length,
      whole: (counts) => wholeBody(run, counts),
      stream: () => streamShape(run),
    },
    call,
  );
});

/** `POST /v1/chat/completions/render`: what a chat request comes to in tokens. */
export const renderChat: Handler = scaleOutOnly((call) => {
  const request = chatRequestFrom(readBody(call.http), call);
  const tokens = promptTokensOf(request.messages, request.tools);
  return json(call, rendered(`chatcmpl-${request.requestId}`, tokens, request));
});

/** `POST /v1/completions/render`. */
export const renderCompletion: Handler = scaleOutOnly((call) => {
  const request = completionRequestFrom(readBody(call.http), call);
  const id = `cmpl-${request.requestId}`;
  return json(
    call,
    request.prompts.map(({ tokens }) => rendered(id, tokens, request)),
  );
});

function scaleOutOnly(handler: Handler): Handler {
  return (call) => {
    if (call.context.config.scaleOut) return handler(call);
    const message =
      "Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable them.";
    throw new ApiError(403, "PermissionDeniedError", message);
  };
}

function tokenIdsAt(body: JsonObject): readonly number[] {
  const tokens = listAt(body, "token_ids").filter((token) => typeof token === "number");
  if (tokens.length === 0) throw badRequest("token_ids must not be empty", "token_ids");
  return tokens;
}

interface GenerateRun {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly choices: readonly Choice[];
}

function wholeBody(run: GenerateRun, counts: Counts): object {
  return {
    request_id: run.id,
    model: run.model,
    created: run.created,
    usage: wholeUsage(counts, "completion"),
    prompt_logprobs: null,
    prompt_token_id_logprobs: null,
    prompt_token_ids: null,
    mm_placeholders: null,
    metrics: null,
    kv_transfer_params: null,
    ec_transfer_params: null,
    output_mode: "tokens",
    choices: run.choices.map((choice) => choiceBody(choice, 0, choice.generated.tokens.length)),
  };
}

function streamShape(run: GenerateRun): StreamShape {
  return {
    opening: () => [],
    tokens: (at, from, to) => {
      const choice = run.choices[at];
      if (choice === undefined) return [];
      const choices = [choiceBody(choice, from, to)];
      return [dataEvent({ request_id: run.id, usage: null, output_mode: "tokens", choices })];
    },
    closing: () => [doneEvent],
    error: (error) => [dataEvent(error.body()), doneEvent],
  };
}

function choiceBody({ index, generated }: Choice, from: number, to: number): object {
  const end = generated.tokens.length;
  const isLast = to === end;
  return {
    index,
    finish_reason: isLast ? generated.finishReason : null,
    stop_reason: isLast ? generated.stopReason : null,
    token_ids: generated.tokens.slice(from, to),
    routed_experts: null,
    sampling_mask: null,
    weight_versions: isLast ? [{ version: "default", start: 0, end }] : null,
    logprobs: null,
  };
}

function rendered(id: string, tokens: readonly number[], request: SamplingRequest): object {
  return {
    request_id: id,
    token_ids: tokens,
    token_offsets: null,
    features: null,
    content_parts: null,
    sampling_params: {
      presence_penalty: 0,
      frequency_penalty: 0,
      repetition_penalty: 1,
      temperature: request.temperature,
      // A temperature of zero makes these two meaningless, and they are left out.
      ...(request.temperature === 0 ? {} : { top_p: 1, min_p: 0 }),
      stop: request.stop,
      stop_token_ids: [],
      ...(request.maxTokens === undefined ? {} : { max_tokens: request.maxTokens }),
      output_kind: 2,
      skip_clone: true,
      bad_words: [],
      skip_reading_prefix_cache: false,
    },
    model: request.model,
    reasoning_ended: null,
    reasoning_parser_kwargs: null,
    return_token_ids: request.returnTokenIds || null,
    output_mode: "tokens",
    stream: request.stream,
    stream_options: null,
    cache_salt: request.cacheSalt ?? null,
    priority: request.priority,
    kv_transfer_params: null,
    ec_transfer_params: null,
  };
}
