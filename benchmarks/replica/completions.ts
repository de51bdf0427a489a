import { eventStream, type SendEvents } from "./event-stream.ts";
import { type Generated, generate } from "./generate.ts";
import { vllmHeaders } from "./headers.ts";
import { checkPromptLength, completionRequestFrom, readBody } from "./read-request.ts";
import type { ReplicaContext } from "./replica-context.ts";
import { decide } from "./script/decide.ts";
import { tokenIdsOf } from "./tokenizer.ts";
import type { CompletionRequest } from "./types.ts";
import { finalChunkUsage, runningUsage, wholeUsage } from "./usage.ts";

interface Choice {
  readonly index: number;
  readonly prompt: readonly number[];
  readonly generated: Generated;
}

interface CompletionRun {
  readonly id: string;
  readonly created: number;
  readonly request: CompletionRequest;
  readonly choices: readonly Choice[];
  readonly promptTokens: number;
}

/** vLLM's own default for completions, unlike chat, where the answer may fill the context. */
const defaultMaxTokens = 16;

/** `POST /v1/completions`. */
export async function answerCompletion(
  http: Request,
  requestId: string,
  context: ReplicaContext,
): Promise<Response> {
  const parsed = completionRequestFrom(await readBody(http), context.config);
  const request = { ...parsed, maxTokens: parsed.maxTokens ?? defaultMaxTokens };
  for (const { tokens } of request.prompts) {
    checkPromptLength(tokens.length, context.config.maxModelLen);
  }
  context.engine.checkRoom(request.prompts.length * request.n);
  const run: CompletionRun = {
    id: `cmpl-${requestId}`,
    created: Math.floor(context.clock.nowMs() / 1000),
    request,
    choices: choicesOf(request, context),
    promptTokens: request.prompts.reduce((sum, { tokens }) => sum + tokens.length, 0),
  };
  if (!request.stream) return wholeAnswer(run, requestId, http.signal, context);
  return eventStream(requestId, http.signal, (send, signal) =>
    streamAnswer(run, send, signal, context),
  );
}

function choicesOf(request: CompletionRequest, context: ReplicaContext): Choice[] {
  return request.prompts.flatMap(({ tokens, text }, promptIndex) =>
    Array.from({ length: request.n }, (_, choiceIndex) => {
      const said = text === "" ? `a prompt of ${tokens.length} tokens` : text;
      const message = { role: "user", text: said, toolCalls: [], toolCallId: undefined };
      const reply = decide(
        {
          ...request,
          messages: [message],
          tools: [],
          toolChoice: { kind: "none" },
          responseSchema: undefined,
        },
        context.config.seed,
        choiceIndex,
      );
      const room = context.config.maxModelLen - tokens.length;
      const index = promptIndex * request.n + choiceIndex;
      return { index, prompt: tokens, generated: generate(reply, request, room) };
    }),
  );
}

async function wholeAnswer(
  run: CompletionRun,
  requestId: string,
  signal: AbortSignal,
  context: ReplicaContext,
): Promise<Response> {
  let cachedTokens = 0;
  await Promise.all(
    run.choices.map(async (choice) => {
      for await (const progress of context.engine.run(jobOf(run, choice), signal)) {
        cachedTokens = Math.max(cachedTokens, progress.cachedTokens);
      }
    }),
  );
  const completionTokens = run.choices.reduce(
    (sum, { generated }) => sum + generated.tokens.length,
    0,
  );
  const counts = { promptTokens: run.promptTokens, cachedTokens, completionTokens };
  const body = {
    id: run.id,
    object: "text_completion",
    created: run.created,
    model: run.request.model,
    choices: run.choices.map((choice) => ({
      index: choice.index,
      text: choice.generated.pieces.join(""),
      logprobs: null,
      finish_reason: choice.generated.finishReason,
      stop_reason: choice.generated.stopReason,
      token_ids: run.request.returnTokenIds ? choice.generated.tokens : null,
      prompt_logprobs: null,
      prompt_token_ids: run.request.returnTokenIds ? choice.prompt : null,
      routed_experts: null,
    })),
    service_tier: null,
    system_fingerprint: context.fingerprint,
    usage: wholeUsage(counts, "completion"),
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  };
  return Response.json(body, { headers: vllmHeaders(requestId) });
}

async function streamAnswer(
  run: CompletionRun,
  send: SendEvents,
  signal: AbortSignal,
  context: ReplicaContext,
): Promise<void> {
  const { request } = run;
  let cachedTokens = 0;
  let completionTokens = 0;
  const counts = () => ({ promptTokens: run.promptTokens, cachedTokens, completionTokens });
  const head = {
    id: run.id,
    object: "text_completion",
    created: run.created,
    model: request.model,
  };
  const fingerprint = { system_fingerprint: context.fingerprint };
  await Promise.all(
    run.choices.map(async (choice) => {
      let sent = 0;
      for await (const progress of context.engine.run(jobOf(run, choice), signal)) {
        cachedTokens = Math.max(cachedTokens, progress.cachedTokens);
        const events: object[] = [];
        for (; sent < progress.tokenCount; sent++) {
          completionTokens += 1;
          const isLast = sent + 1 === choice.generated.pieces.length;
          events.push({
            ...head,
            choices: [streamedChoice(request, choice, sent)],
            ...(request.continuousUsage ? { usage: runningUsage(counts()) } : {}),
            ...(isLast && !request.includeUsage ? fingerprint : {}),
          });
        }
        send(events);
      }
    }),
  );
  if (request.includeUsage) {
    send([
      { ...head, choices: [], usage: finalChunkUsage(counts(), "completion"), ...fingerprint },
    ]);
  }
}

function streamedChoice(request: CompletionRequest, choice: Choice, at: number): object {
  const { generated } = choice;
  const isLast = at + 1 === generated.pieces.length;
  return {
    index: choice.index,
    text: generated.pieces[at],
    logprobs: null,
    finish_reason: isLast ? generated.finishReason : null,
    stop_reason: isLast ? generated.stopReason : null,
    prompt_token_ids: request.returnTokenIds && at === 0 ? choice.prompt : null,
    token_ids: request.returnTokenIds ? generated.tokens.slice(at, at + 1) : null,
  };
}

function jobOf(run: CompletionRun, choice: Choice) {
  return {
    prompt: choice.prompt.length > 0 ? choice.prompt : tokenIdsOf(" "),
    output: choice.generated.tokens,
    salt: run.request.cacheSalt ?? "",
    finishReason: choice.generated.finishReason,
    maxTokens: run.request.maxTokens ?? defaultMaxTokens,
    n: run.request.n,
  };
}
