import { decide } from "../script/decide.ts";
import type { ChatRequest, Reply } from "../types.ts";
import type { Call } from "./call.ts";
import { promptTokensOf } from "./chat-template.ts";
import { generate } from "./generate.ts";
import type { Choice } from "./generated-answer.ts";
import { checkPromptLength } from "./read-sampling.ts";

/** One alternative answer of a chat request. */
export interface ChatChoice extends Choice {
  readonly reply: Reply;
  readonly callIds: readonly string[];
  /** True when the answer's calls were generated whole, so that the parser finds them. */
  readonly hasCalls: boolean;
}

/** A chat request and its answer, before any time has passed. */
export interface ChatRun {
  readonly id: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly request: ChatRequest;
  readonly prompt: readonly number[];
  readonly choices: readonly ChatChoice[];
}

/** Decides the answer to a chat request. */
export function chatRunOf(request: ChatRequest, call: Call): ChatRun {
  const { config, clock } = call.context;
  const prompt = promptTokensOf(request.messages, request.tools);
  checkPromptLength(prompt.length, config.maxModelLen);
  const roomTokens = config.maxModelLen - prompt.length;
  return {
    id: `chatcmpl-${request.requestId}`,
    created: Math.floor(clock.nowMs() / 1000),
    request,
    prompt,
    choices: Array.from({ length: request.n }, (_, index) => {
      const reply = decide(request, config.seed, index);
      const generated = generate(reply, request, roomTokens);
      const callIds = reply.calls.map(() => `chatcmpl-tool-${call.context.newHexId()}`);
      const hasCalls = reply.calls.length > 0 && generated.finishReason === "stop";
      return { index, prompt, reply, callIds, generated, hasCalls };
    }),
  };
}

/** Why a choice ended; a call that was demanded by name ends like any answer. */
export function finishReasonOf(request: ChatRequest, choice: ChatChoice): string {
  if (!choice.hasCalls) return choice.generated.finishReason;
  return request.toolChoice.kind === "named" ? "stop" : "tool_calls";
}
