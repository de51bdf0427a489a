import type { HttpReply } from "../http/types.ts";
import type { ChatRequest } from "../types.ts";
import type { Call } from "./call.ts";
import { type ChatChoice, type ChatRun, chatRunOf, finishReasonOf } from "./chat-run.ts";
import { ChatStream } from "./chat-stream.ts";
import { answer } from "./generated-answer.ts";
import { chatLogprobs } from "./logprobs.ts";
import { readBody } from "./read-body.ts";
import { chatRequestFrom } from "./read-chat.ts";
import { type Counts, wholeUsage } from "./usage.ts";

/** `POST /v1/chat/completions`. */
export function answerChat(call: Call): Promise<HttpReply> {
  const run = chatRunOf(chatRequestFrom(readBody(call.http), call), call);
  const { metrics, fingerprint } = call.context;
  return answer(
    {
      request: run.request,
      choices: run.choices,
      promptTokens: run.prompt.length,
      whole: (counts) => {
        for (const { hasCalls } of run.choices) metrics.onToolParser("non_streaming", hasCalls);
        return wholeBody(run, counts, fingerprint);
      },
      stream: () => new ChatStream(run, call.context),
    },
    call,
  );
}

function wholeBody(run: ChatRun, counts: Counts, fingerprint: string): object {
  return {
    id: run.id,
    object: "chat.completion",
    created: run.created,
    model: run.request.model,
    choices: run.choices.map((choice) => wholeChoice(run.request, choice)),
    service_tier: null,
    system_fingerprint: fingerprint,
    usage: wholeUsage(counts, "chat"),
    prompt_logprobs: null,
    prompt_token_ids: run.request.returnTokenIds ? run.prompt : null,
    prompt_text: null,
    kv_transfer_params: null,
    ec_transfer_params: null,
    metrics: null,
  };
}

function wholeChoice(request: ChatRequest, choice: ChatChoice): object {
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
    logprobs: chatLogprobs(generated.pieces, request.logprobs),
    finish_reason: finishReasonOf(request, choice),
    stop_reason: generated.stopReason,
    token_ids: request.returnTokenIds ? generated.tokens : null,
    routed_experts: null,
  };
}
