import type { HttpReply } from "../http/types.ts";
import { isObject, listAt, objectAt, textAt } from "../json.ts";
import type { ChatMessage, ChatRequest, JsonObject } from "../types.ts";
import type { Call } from "./call.ts";
import { chatRunOf } from "./chat-run.ts";
import { ApiError } from "./errors.ts";
import { answer } from "./generated-answer.ts";
import { integerAt, readBody, requireField } from "./read-body.ts";
import { textMessage, textOf } from "./read-messages.ts";
import { samplingFrom } from "./read-sampling.ts";
import { ResponseStream, responseBody } from "./response-stream.ts";

/** `POST /v1/responses`: chat in the form of OpenAI's later API, for text in and text out. */
export function answerResponses(call: Call): Promise<HttpReply> {
  const body = readBody(call.http);
  requireField(body, "input");
  const run = chatRunOf(responsesRequestFrom(body, call), call);
  const { context } = call;
  const response = {
    id: `resp_${context.newHexId()}`,
    messageId: `msg_${context.newHexId()}`,
    run,
    maxOutputTokens: integerAt(body, "max_output_tokens") ?? null,
    instructions: textAt(body, "instructions") || null,
  };
  return answer(
    {
      request: run.request,
      choices: run.choices,
      promptTokens: run.prompt.length,
      whole: (counts) => responseBody(response, counts),
      stream: () => new ResponseStream(response),
    },
    call,
  );
}

/** `GET /v1/responses/{id}`: nothing is stored, so none is known. */
export function findResponse({ http }: Call): never {
  const id = decodeURIComponent(http.path.slice("/v1/responses/".length));
  const message = `Response with id '${id}' not found.`;
  throw new ApiError(404, "invalid_request_error", message, "response_id");
}

function responsesRequestFrom(body: JsonObject, call: Call): ChatRequest {
  const asChat = { ...body, max_tokens: body["max_output_tokens"], stream_options: undefined };
  const instructions = textAt(body, "instructions");
  const input = messagesFrom(body["input"]);
  return {
    ...samplingFrom(asChat, call),
    n: 1,
    messages: instructions === "" ? input : [textMessage("system", instructions), ...input],
    tools: [],
    toolChoice: { kind: "none" },
    responseSchema: undefined,
  };
}

function messagesFrom(input: unknown): ChatMessage[] {
  if (typeof input === "string") return [textMessage("user", input)];
  return listAt({ input }, "input").map((item) => {
    const content = isObject(item) ? item["content"] : undefined;
    return textMessage(textAt(item, "role") || "user", textOf(content ?? objectAt(item, "text")));
  });
}
