import { promptTokensOf } from "./chat-template.ts";
import { eventStream, type SendEvents } from "./event-stream.ts";
import { type Generated, generate } from "./generate.ts";
import { vllmHeaders } from "./headers.ts";
import { chatRequestFrom, checkPromptLength, readBody } from "./read-request.ts";
import type { ReplicaContext } from "./replica-context.ts";
import { decide } from "./script/decide.ts";
import { type DeltaCall, streamedCalls } from "./streamed-calls.ts";
import type { ChatRequest, Reply } from "./types.ts";
import { type Counts, finalChunkUsage, runningUsage, wholeUsage } from "./usage.ts";

/** One alternative answer of a request. */
interface Choice {
  readonly index: number;
  readonly reply: Reply;
  readonly callIds: readonly string[];
  readonly generated: Generated;
  /** True when the answer's calls were generated whole, so that the parser finds them. */
  readonly hasCalls: boolean;
}

interface ChatRun {
  readonly id: string;
  readonly created: number;
  readonly request: ChatRequest;
  readonly prompt: readonly number[];
  readonly choices: readonly Choice[];
}

/** `POST /v1/chat/completions`. */
export async function answerChat(
  http: Request,
  requestId: string,
  context: ReplicaContext,
): Promise<Response> {
  const request = chatRequestFrom(await readBody(http), context.config);
  const prompt = promptTokensOf(request.messages, request.tools);
  checkPromptLength(prompt.length, context.config.maxModelLen);
  context.engine.checkRoom(request.n);
  const room = context.config.maxModelLen - prompt.length;
  const run: ChatRun = {
    id: `chatcmpl-${requestId}`,
    created: Math.floor(context.clock.nowMs() / 1000),
    request,
    prompt,
    choices: Array.from({ length: request.n }, (_, index) =>
      choiceOf(request, index, room, context),
    ),
  };
  for (const choice of run.choices) {
    context.metrics.onToolParser(request.stream ? "streaming" : "non_streaming", choice.hasCalls);
  }
  if (!request.stream) return wholeAnswer(run, requestId, http.signal, context);
  return eventStream(requestId, http.signal, (send, signal) =>
    streamAnswer(run, send, signal, context),
  );
}

function choiceOf(
  request: ChatRequest,
  index: number,
  roomTokens: number,
  context: ReplicaContext,
): Choice {
  const reply = decide(request, context.config.seed, index);
  const generated = generate(reply, request, roomTokens);
  const callIds = reply.calls.map(() => `chatcmpl-tool-${context.newHexId()}`);
  const hasCalls = reply.calls.length > 0 && generated.finishReason === "stop";
  return { index, reply, callIds, generated, hasCalls };
}

async function wholeAnswer(
  run: ChatRun,
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
  const counts = { promptTokens: run.prompt.length, cachedTokens, completionTokens };
  const body = {
    id: run.id,
    object: "chat.completion",
    created: run.created,
    model: run.request.model,
    choices: run.choices.map((choice) => wholeChoice(run.request, choice)),
    service_tier: null,
    system_fingerprint: context.fingerprint,
    usage: wholeUsage(counts, "chat"),
    prompt_logprobs: null,
    prompt_token_ids: run.request.returnTokenIds ? run.prompt : null,
    prompt_text: null,
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  };
  return Response.json(body, { headers: vllmHeaders(requestId) });
}

function wholeChoice(request: ChatRequest, choice: Choice): object {
  const { reply, generated, hasCalls } = choice;
  const toolCalls = reply.calls.map((call, callIndex) => ({
    id: choice.callIds[callIndex],
    type: "function",
    function: { name: call.name, arguments: call.argumentsJson },
  }));
  // A named call leaves an empty text, a free one none: that is how the two parsers differ.
  const contentBesideCalls = request.toolChoice.kind === "named" ? "" : reply.text || null;
  return {
    index: choice.index,
    message: {
      role: "assistant",
      content: hasCalls ? contentBesideCalls : generated.pieces.join(""),
      refusal: null,
      annotations: null,
      audio: null,
      function_call: null,
      ...(hasCalls ? { tool_calls: toolCalls } : {}),
      reasoning: null,
    },
    logprobs: null,
    finish_reason: finishReasonOf(request, choice),
    stop_reason: generated.stopReason,
    token_ids: request.returnTokenIds ? generated.tokens : null,
    routed_experts: null,
  };
}

async function streamAnswer(
  run: ChatRun,
  send: SendEvents,
  signal: AbortSignal,
  context: ReplicaContext,
): Promise<void> {
  let cachedTokens = 0;
  let completionTokens = 0;
  const counts = (): Counts => ({
    promptTokens: run.prompt.length,
    cachedTokens,
    completionTokens,
  });
  await Promise.all(
    run.choices.map(async (choice) => {
      const stream = new ChoiceStream(run, choice, context.fingerprint);
      for await (const progress of context.engine.run(jobOf(run, choice), signal)) {
        cachedTokens = Math.max(cachedTokens, progress.cachedTokens);
        const events: object[] = [];
        if (stream.sentCount === 0) events.push(stream.roleChunk(counts()));
        while (stream.sentCount < progress.tokenCount) {
          completionTokens += 1;
          const chunk = stream.nextChunk(counts());
          if (chunk !== undefined) events.push(chunk);
        }
        send(events);
      }
    }),
  );
  if (run.request.includeUsage) {
    const usage = finalChunkUsage(counts(), "chat");
    send([{ ...chunkHead(run), choices: [], usage, system_fingerprint: context.fingerprint }]);
  }
}

/** Turns the tokens of one choice into chunks, one a token where the token shows. */
class ChoiceStream {
  sentCount = 0;
  readonly #run: ChatRun;
  readonly #choice: Choice;
  readonly #fingerprint: string;
  readonly #calls: readonly (DeltaCall | undefined)[] | undefined;

  constructor(run: ChatRun, choice: Choice, fingerprint: string) {
    this.#run = run;
    this.#choice = choice;
    this.#fingerprint = fingerprint;
    const { reply, generated, callIds } = choice;
    this.#calls =
      reply.calls.length === 0 ? undefined : streamedCalls(reply, callIds, generated.pieces);
  }

  /** The chunk that names the role; it leaves together with the first token. */
  roleChunk(counts: Counts): object {
    const { index } = this.#choice;
    const delta = { role: "assistant", content: "" };
    return {
      ...chunkHead(this.#run),
      choices: [{ index, delta, logprobs: null, finish_reason: null }],
      ...this.#running(counts),
      prompt_token_ids: this.#run.request.returnTokenIds ? this.#run.prompt : null,
      prompt_text: null,
    };
  }

  nextChunk(counts: Counts): object | undefined {
    const { generated } = this.#choice;
    const at = this.sentCount;
    this.sentCount += 1;
    const isLast = this.sentCount === generated.pieces.length;
    const call = this.#calls?.[at];
    // The tokens around a call's name and arguments are the parser's, and show in no chunk.
    if (this.#calls !== undefined && call === undefined && !isLast) return undefined;
    const delta =
      call === undefined
        ? { content: this.#calls === undefined ? generated.pieces[at] : "" }
        : { content: null, tool_calls: [call] };
    const choice = {
      index: this.#choice.index,
      delta,
      logprobs: null,
      finish_reason: isLast ? finishReasonOf(this.#run.request, this.#choice) : null,
      ...(isLast ? { stop_reason: generated.stopReason } : {}),
      token_ids: this.#run.request.returnTokenIds ? generated.tokens.slice(at, at + 1) : null,
    };
    const closesStream = isLast && !this.#run.request.includeUsage;
    return {
      ...chunkHead(this.#run),
      choices: [choice],
      ...this.#running(counts),
      ...(closesStream ? { system_fingerprint: this.#fingerprint } : {}),
    };
  }

  #running(counts: Counts): object {
    return this.#run.request.continuousUsage ? { usage: runningUsage(counts) } : {};
  }
}

function chunkHead(run: ChatRun): object {
  return {
    id: run.id,
    object: "chat.completion.chunk",
    created: run.created,
    model: run.request.model,
  };
}

function finishReasonOf(request: ChatRequest, choice: Choice): string {
  if (!choice.hasCalls) return choice.generated.finishReason;
  return request.toolChoice.kind === "named" ? "stop" : "tool_calls";
}

function jobOf(run: ChatRun, choice: Choice) {
  return {
    prompt: run.prompt,
    output: choice.generated.tokens,
    salt: run.request.cacheSalt ?? "",
    finishReason: choice.generated.finishReason,
    maxTokens: run.request.maxTokens ?? choice.generated.tokens.length,
    n: run.request.n,
  };
}
