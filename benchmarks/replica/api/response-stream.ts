import type { ChatRun } from "./chat-run.ts";
import type { ApiError } from "./errors.ts";
import type { StreamShape } from "./generated-answer.ts";
import { namedEvent } from "./sse.ts";
import type { Counts } from "./usage.ts";

/** What `/v1/responses` adds to a chat run. */
export interface ResponseRun {
  readonly id: string;
  readonly messageId: string;
  readonly run: ChatRun;
  readonly maxOutputTokens: number | null;
  readonly instructions: string | null;
}

/** The body of a finished response, or of one that has just begun when `counts` are left out. */
export function responseBody(response: ResponseRun, counts?: Counts): object {
  const { run } = response;
  const isCut = run.choices[0]?.generated.finishReason === "length";
  const status = isCut ? "incomplete" : "completed";
  return {
    id: response.id,
    created_at: run.created,
    incomplete_details: counts !== undefined && isCut ? { reason: "max_output_tokens" } : null,
    instructions: response.instructions,
    metadata: null,
    model: run.request.model,
    object: "response",
    output: counts === undefined ? [] : [message(response, "completed")],
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "none",
    tools: [],
    top_p: 1,
    background: false,
    max_output_tokens: response.maxOutputTokens,
    max_tool_calls: null,
    previous_response_id: null,
    prompt: null,
    reasoning: null,
    service_tier: "auto",
    status: counts === undefined ? "in_progress" : status,
    text: null,
    top_logprobs: null,
    truncation: "disabled",
    usage: counts === undefined ? null : responseUsage(counts),
    user: null,
    presence_penalty: 0,
    frequency_penalty: 0,
    kv_transfer_params: null,
    ec_transfer_params: null,
    input_messages: null,
    output_messages: null,
  };
}

/** The events of a streamed response. */
export class ResponseStream implements StreamShape {
  readonly #response: ResponseRun;
  #sequence = 0;

  constructor(response: ResponseRun) {
    this.#response = response;
  }

  opening(): readonly string[] {
    const response = responseBody(this.#response);
    return [
      this.#event("response.created", { response }),
      this.#event("response.in_progress", { response }),
    ];
  }

  tokens(_at: number, from: number, to: number): readonly string[] {
    const text = this.#pieces().slice(from, to).join("");
    const texts = from === 0 ? this.#begin() : [];
    // The end of the answer is a token without text, and shows in no event.
    if (text === "") return texts;
    const delta = { ...this.#place(), delta: text, logprobs: [] };
    return [...texts, this.#event("response.output_text.delta", delta)];
  }

  closing(counts: Counts): readonly string[] {
    const item = message(this.#response, "completed");
    const text = this.#pieces().join("");
    return [
      this.#event("response.output_text.done", { ...this.#place(), logprobs: [], text }),
      this.#event("response.content_part.done", { ...this.#place(), part: textPart(text, null) }),
      this.#event("response.output_item.done", { item, output_index: 0 }),
      this.#event("response.completed", { response: responseBody(this.#response, counts) }),
    ];
  }

  error(error: ApiError): readonly string[] {
    return [this.#event("error", error.body())];
  }

  #begin(): string[] {
    const item = message(this.#response, "in_progress");
    return [
      this.#event("response.output_item.added", { item, output_index: 0 }),
      this.#event("response.content_part.added", { ...this.#place(), part: textPart("", []) }),
    ];
  }

  #pieces(): readonly string[] {
    return this.#response.run.choices[0]?.generated.pieces ?? [];
  }

  #place(): object {
    return { content_index: 0, item_id: this.#response.messageId, output_index: 0 };
  }

  #event(type: string, members: object): string {
    const sequence = this.#sequence++;
    return namedEvent(type, { ...members, sequence_number: sequence, type });
  }
}

function message({ messageId, run }: ResponseRun, status: "in_progress" | "completed"): object {
  const text = run.choices[0]?.generated.pieces.join("") ?? "";
  return {
    id: messageId,
    content: status === "completed" ? [textPart(text, null)] : [],
    role: "assistant",
    status,
    type: "message",
    phase: null,
  };
}

function textPart(text: string, logprobs: [] | null): object {
  return { annotations: [], text, type: "output_text", logprobs };
}

function responseUsage(counts: Counts): object {
  return {
    input_tokens: counts.promptTokens,
    input_tokens_details: {
      cached_tokens: counts.cachedTokens,
      cache_write_tokens: 0,
      input_tokens_per_turn: [],
      cached_tokens_per_turn: [],
    },
    output_tokens: counts.completionTokens,
    output_tokens_details: {
      reasoning_tokens: 0,
      tool_output_tokens: 0,
      output_tokens_per_turn: [],
      tool_output_tokens_per_turn: [],
    },
    total_tokens: counts.promptTokens + counts.completionTokens,
  };
}
