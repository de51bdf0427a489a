import { type ChatChoice, type ChatRun, finishReasonOf } from "./chat-run.ts";
import type { ApiError } from "./errors.ts";
import type { StreamShape } from "./generated-answer.ts";
import { chatLogprobs } from "./logprobs.ts";
import type { ReplicaContext } from "./replica-context.ts";
import { dataEvent, doneEvent } from "./sse.ts";
import { type DeltaCall, streamedCalls } from "./streamed-calls.ts";
import { type Counts, finalChunkUsage, runningUsage } from "./usage.ts";

/** The events of a streamed chat answer. */
export class ChatStream implements StreamShape {
  readonly #run: ChatRun;
  readonly #context: ReplicaContext;
  /** For each choice with calls, what each token adds to them. */
  readonly #calls: readonly (readonly (DeltaCall | undefined)[] | undefined)[];
  /** What every chunk begins with, up to its choices. */
  readonly #head: string;
  #hasBegun = false;

  constructor(run: ChatRun, context: ReplicaContext) {
    this.#run = run;
    this.#context = context;
    this.#calls = run.choices.map(({ reply, callIds, generated }) =>
      reply.calls.length === 0 ? undefined : streamedCalls(reply, callIds, generated.pieces),
    );
    const { id, created, request } = run;
    const head = { id, object: "chat.completion.chunk", created, model: request.model };
    this.#head = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[`;
  }

  opening(): readonly string[] {
    return [];
  }

  tokens(at: number, from: number, to: number, counts: Counts): readonly string[] {
    const choice = this.#run.choices[at];
    if (choice === undefined) return [];
    const texts = this.#hasBegun ? [] : this.#roleChunks(counts);
    this.#hasBegun = true;
    const chunk = this.#chunk(choice, this.#calls[at], from, to, counts);
    if (chunk !== undefined) texts.push(chunk);
    return texts;
  }

  closing(counts: Counts): readonly string[] {
    if (!this.#run.request.includeUsage) return [doneEvent];
    const usage = finalChunkUsage(counts, "chat");
    return [this.#event("", { usage, system_fingerprint: this.#context.fingerprint }), doneEvent];
  }

  error(error: ApiError): readonly string[] {
    return [dataEvent(error.body()), doneEvent];
  }

  /** The chunks that name the role of every choice; they leave with the first token of any. */
  #roleChunks(counts: Counts): string[] {
    const delta = { role: "assistant", content: "" };
    return this.#run.choices.map(({ index }) => {
      const choice = { index, delta, logprobs: null, finish_reason: null };
      return this.#event(JSON.stringify(choice), {
        ...this.#running({ ...counts, completionTokens: 0 }),
        prompt_token_ids: this.#run.request.returnTokenIds ? this.#run.prompt : null,
        prompt_text: null,
      });
    });
  }

  #chunk(
    choice: ChatChoice,
    calls: readonly (DeltaCall | undefined)[] | undefined,
    from: number,
    to: number,
    counts: Counts,
  ): string | undefined {
    const { request } = this.#run;
    const { generated, index } = choice;
    const isLast = to === generated.pieces.length;
    const added = calls?.slice(from, to).filter((call) => call !== undefined);
    const adds = added !== undefined && added.length > 0;
    this.#context.metrics.onToolParser("streaming", adds);
    // The tokens around a call's name and arguments are the parser's, and show in no chunk.
    if (added !== undefined && !adds && !isLast) return undefined;
    const pieces = generated.pieces.slice(from, to);
    const text = added === undefined ? pieces.join("") : "";
    const sent = {
      index,
      delta: adds ? { content: null, tool_calls: added } : { content: text },
      logprobs: chatLogprobs(pieces, request.logprobs),
      finish_reason: isLast ? finishReasonOf(request, choice) : null,
      ...(isLast ? { stop_reason: generated.stopReason } : {}),
      token_ids: request.returnTokenIds ? generated.tokens.slice(from, to) : null,
    };
    const closesStream = isLast && !request.includeUsage;
    return this.#event(JSON.stringify(sent), {
      ...this.#running(counts),
      ...(closesStream ? { system_fingerprint: this.#context.fingerprint } : {}),
    });
  }

  /** A chunk: its head was written once, and most have nothing after their choices. */
  #event(choiceJson: string, after: object): string {
    const rest = JSON.stringify(after);
    return `${this.#head}${choiceJson}]${rest === "{}" ? "}" : `,${rest.slice(1)}`}\n\n`;
  }

  #running(counts: Counts): object {
    return this.#run.request.continuousUsage ? { usage: runningUsage(counts) } : {};
  }
}
