import type { ChatChoice, ChatRun } from "./chat-run.ts";
import type { ApiError } from "./errors.ts";
import type { StreamShape } from "./generated-answer.ts";
import { namedEvent } from "./sse.ts";
import { streamedCalls } from "./streamed-calls.ts";
import type { Counts } from "./usage.ts";

/** The events of a streamed answer in the form of Anthropic's API. */
export class MessageStream implements StreamShape {
  readonly #run: ChatRun;
  readonly #choice: ChatChoice | undefined;
  readonly #calls;
  /** Index of the content block that is open. */
  #block = -1;

  constructor(run: ChatRun) {
    this.#run = run;
    const choice = run.choices[0];
    this.#choice = choice;
    this.#calls =
      choice === undefined || choice.reply.calls.length === 0
        ? undefined
        : streamedCalls(choice.reply, choice.callIds, choice.generated.pieces);
  }

  opening(): readonly string[] {
    return [];
  }

  tokens(_at: number, from: number, to: number, counts: Counts): readonly string[] {
    const texts = from === 0 ? [this.#start(counts)] : [];
    if (this.#calls !== undefined) {
      for (const call of this.#calls.slice(from, to)) {
        if (call === undefined) continue;
        if ("name" in call.function) {
          const block = { type: "tool_use", id: call.id, name: call.function.name, input: {} };
          texts.push(...this.#open(block));
        } else {
          const delta = { type: "input_json_delta", partial_json: call.function.arguments };
          texts.push(this.#delta(delta));
        }
      }
      return texts;
    }
    if (from === 0) texts.push(...this.#open({ type: "text", text: "" }));
    const text = this.#choice?.generated.pieces.slice(from, to).join("") ?? "";
    // The end of the answer is a token without text, and shows in no event.
    if (text !== "") texts.push(this.#delta({ type: "text_delta", text }));
    return texts;
  }

  closing(counts: Counts): readonly string[] {
    const delta = {
      stop_reason: this.#choice === undefined ? null : stopReasonOf(this.#choice),
      stop_sequence: this.#choice?.generated.stopReason ?? null,
    };
    const usage = messageUsage(counts);
    return [
      ...this.#close(),
      namedEvent("message_delta", { type: "message_delta", delta, usage }),
      namedEvent("message_stop", { type: "message_stop" }),
    ];
  }

  error({ type, message }: ApiError): readonly string[] {
    return [namedEvent("error", { type: "error", error: { type, message } })];
  }

  #start(counts: Counts): string {
    const message = {
      id: this.#run.id,
      type: "message",
      role: "assistant",
      content: [],
      model: this.#run.request.model,
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: counts.promptTokens, output_tokens: 0 },
    };
    return namedEvent("message_start", { type: "message_start", message });
  }

  #open(block: object): string[] {
    const closed = this.#close();
    this.#block += 1;
    const event = { type: "content_block_start", content_block: block, index: this.#block };
    return [...closed, namedEvent("content_block_start", event)];
  }

  #delta(delta: object): string {
    const event = { type: "content_block_delta", delta, index: this.#block };
    return namedEvent("content_block_delta", event);
  }

  #close(): string[] {
    if (this.#block === -1) return [];
    const event = { type: "content_block_stop", index: this.#block };
    return [namedEvent("content_block_stop", event)];
  }
}

/** Usage in the form of Anthropic's API: cached tokens are no input tokens there. */
export function messageUsage(counts: Counts): object {
  return {
    input_tokens: counts.promptTokens - counts.cachedTokens,
    output_tokens: counts.completionTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: counts.cachedTokens,
  };
}

/** Why a choice ended, in the words of Anthropic's API. */
export function stopReasonOf({ hasCalls, generated }: ChatChoice): string {
  if (hasCalls) return "tool_use";
  if (generated.finishReason === "length") return "max_tokens";
  return generated.stopReason === null ? "end_turn" : "stop_sequence";
}
