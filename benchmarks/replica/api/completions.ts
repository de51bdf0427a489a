import type { HttpReply } from "../http/types.ts";
import { decide } from "../script/decide.ts";
import type { CompletionRequest } from "../types.ts";
import type { Call } from "./call.ts";
import type { ApiError } from "./errors.ts";
import { generate } from "./generate.ts";
import { answer, type Choice, type StreamShape } from "./generated-answer.ts";
import { completionLogprobs } from "./logprobs.ts";
import { readBody } from "./read-body.ts";
import { completionRequestFrom } from "./read-completion.ts";
import { checkPromptLength } from "./read-sampling.ts";
import { dataEvent, doneEvent } from "./sse.ts";
import { type Counts, finalChunkUsage, runningUsage, wholeUsage } from "./usage.ts";

interface CompletionRun {
  readonly id: string;
  readonly created: number;
  readonly request: CompletionRequest;
  readonly choices: readonly Choice[];
}

/** vLLM's own default for completions, unlike chat, where the answer may fill the context. */
const defaultMaxTokens = 16;

/** `POST /v1/completions`. */
export function answerCompletion(call: Call): Promise<HttpReply> {
  const { config, clock, fingerprint } = call.context;
  const parsed = completionRequestFrom(readBody(call.http), call);
  const request = { ...parsed, maxTokens: parsed.maxTokens ?? defaultMaxTokens };
  for (const { tokens } of request.prompts) checkPromptLength(tokens.length, config.maxModelLen);
  const run: CompletionRun = {
    id: `cmpl-${request.requestId}`,
    created: Math.floor(clock.nowMs() / 1000),
    request,
    choices: request.prompts.flatMap((prompt, promptIndex) =>
      choicesOf(prompt, promptIndex, request, call),
    ),
  };
  return answer(
    {
      request,
      choices: run.choices,
      promptTokens: request.prompts.reduce((sum, { tokens }) => sum + tokens.length, 0),
      whole: (counts) => wholeBody(run, counts, fingerprint),
      stream: () => new CompletionStream(run, fingerprint),
    },
    call,
  );
}

function choicesOf(
  prompt: CompletionRequest["prompts"][number],
  promptIndex: number,
  request: CompletionRequest,
  call: Call,
): Choice[] {
  const { config } = call.context;
  const room = config.maxModelLen - prompt.tokens.length;
  return Array.from({ length: request.n }, (_, choiceIndex) => {
    const reply = decide(promptAsChat(prompt, request.model), config.seed, choiceIndex);
    const index = promptIndex * request.n + choiceIndex;
    return { index, prompt: prompt.tokens, generated: generate(reply, request, room) };
  });
}

/** What the script reads of a bare prompt: one message of a user who offers no tools. */
export function promptAsChat(
  { text, tokens }: { readonly text: string; readonly tokens: readonly number[] },
  model: string,
) {
  const said = text === "" ? `a prompt of ${tokens.length} tokens` : text;
  return {
    model,
    messages: [{ role: "user", text: said, toolCalls: [], toolCallId: undefined }],
    tools: [],
    toolChoice: { kind: "none" },
    responseSchema: undefined,
  } as const;
}

function wholeBody(run: CompletionRun, counts: Counts, fingerprint: string): object {
  const { request } = run;
  return {
    id: run.id,
    object: "text_completion",
    created: run.created,
    model: request.model,
    choices: run.choices.map(({ index, prompt, generated }) => ({
      index,
      text: generated.pieces.join(""),
      logprobs: completionLogprobs(generated.pieces, request.logprobs, 0),
      finish_reason: generated.finishReason,
      stop_reason: generated.stopReason,
      token_ids: request.returnTokenIds ? generated.tokens : null,
      prompt_logprobs: null,
      prompt_token_ids: request.returnTokenIds ? prompt : null,
      routed_experts: null,
    })),
    service_tier: null,
    system_fingerprint: fingerprint,
    usage: wholeUsage(counts, "completion"),
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  };
}

/** The events of a streamed completion. */
class CompletionStream implements StreamShape {
  readonly #run: CompletionRun;
  readonly #fingerprint: string;
  /** Characters of each choice that were sent. */
  readonly #sentChars: number[];

  constructor(run: CompletionRun, fingerprint: string) {
    this.#run = run;
    this.#fingerprint = fingerprint;
    this.#sentChars = run.choices.map(() => 0);
  }

  opening(): readonly string[] {
    return [];
  }

  tokens(at: number, from: number, to: number, counts: Counts): readonly string[] {
    const { request, choices } = this.#run;
    const choice = choices[at];
    if (choice === undefined) return [];
    const { generated } = choice;
    const isLast = to === generated.pieces.length;
    const pieces = generated.pieces.slice(from, to);
    const offset = this.#sentChars[at] ?? 0;
    const text = pieces.join("");
    this.#sentChars[at] = offset + text.length;
    const sent = {
      index: choice.index,
      text,
      logprobs: completionLogprobs(pieces, request.logprobs, offset),
      finish_reason: isLast ? generated.finishReason : null,
      stop_reason: isLast ? generated.stopReason : null,
      prompt_token_ids: request.returnTokenIds && from === 0 ? choice.prompt : null,
      token_ids: request.returnTokenIds ? generated.tokens.slice(from, to) : null,
    };
    return [
      dataEvent({
        ...this.#head(),
        choices: [sent],
        ...(request.continuousUsage ? { usage: runningUsage(counts) } : {}),
        ...(isLast && !request.includeUsage ? { system_fingerprint: this.#fingerprint } : {}),
      }),
    ];
  }

  closing(counts: Counts): readonly string[] {
    if (!this.#run.request.includeUsage) return [doneEvent];
    const usage = finalChunkUsage(counts, "completion");
    const last = {
      ...this.#head(),
      choices: [],
      usage,
      system_fingerprint: this.#fingerprint,
    };
    return [dataEvent(last), doneEvent];
  }

  error(error: ApiError): readonly string[] {
    return [dataEvent(error.body()), doneEvent];
  }

  #head(): object {
    const { id, created, request } = this.#run;
    return { id, object: "text_completion", created, model: request.model };
  }
}
