import type { HttpReply } from "../http/types.ts";
import type { Call } from "./call.ts";
import { json } from "./call.ts";
import { type ChatRun, chatRunOf } from "./chat-run.ts";
import { promptTokensOf } from "./chat-template.ts";
import { ApiError } from "./errors.ts";
import { answer } from "./generated-answer.ts";
import { MessageStream, messageUsage, stopReasonOf } from "./message-stream.ts";
import { integerAt, readBody, requireField } from "./read-body.ts";
import { messagesRequestFrom, promptOf } from "./read-messages.ts";

/** `POST /v1/messages`: chat in the form of Anthropic's API. */
export function answerMessages(call: Call): Promise<HttpReply> | HttpReply {
  const body = readBody(call.http);
  // A body that does not fit the schema is refused in the other API's form, as recorded.
  requireField(body, "max_tokens");
  integerAt(body, "max_tokens");
  let run: ChatRun;
  try {
    run = chatRunOf(messagesRequestFrom(body, call), call);
  } catch (error) {
    const refusal = ApiError.from(error);
    return json(call, messagesError(refusal), refusal.status);
  }
  return answer(
    {
      request: run.request,
      choices: run.choices,
      promptTokens: run.prompt.length,
      whole: (counts) => {
        const choice = run.choices[0];
        return {
          id: run.id,
          type: "message",
          role: "assistant",
          content: choice === undefined ? [] : contentOf(choice),
          model: run.request.model,
          stop_reason: choice === undefined ? null : stopReasonOf(choice),
          usage: messageUsage(counts),
        };
      },
      stream: () => new MessageStream(run),
      error: messagesError,
    },
    call,
  );
}

/** `POST /v1/messages/count_tokens`. */
export function countMessageTokens(call: Call): HttpReply {
  const { messages, tools } = promptOf(readBody(call.http));
  const count = promptTokensOf(messages, tools).length;
  return json(call, {
    input_tokens: count,
    context_management: { original_input_tokens: count },
  });
}

function contentOf({ reply, hasCalls, callIds, generated }: ChatRun["choices"][number]): unknown[] {
  if (!hasCalls) return [{ type: "text", text: generated.pieces.join("") }];
  const calls = reply.calls.map(({ name, argumentsJson }, index) => ({
    type: "tool_use",
    id: callIds[index],
    name,
    input: JSON.parse(argumentsJson),
  }));
  return reply.text === "" ? calls : [{ type: "text", text: reply.text }, ...calls];
}

function messagesError(error: ApiError): object {
  return { type: "error", error: { type: error.type, message: error.message } };
}
