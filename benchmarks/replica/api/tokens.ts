import type { HttpReply } from "../http/types.ts";
import { listAt, textAt } from "../json.ts";
import { tokenIdsOf, tokenText } from "../tokenizer.ts";
import { type Call, json } from "./call.ts";
import { promptTokensOf } from "./chat-template.ts";
import { readBody } from "./read-body.ts";
import { chatRequestFrom } from "./read-chat.ts";

/** `POST /tokenize`, of a prompt or of a conversation. */
export function tokenize(call: Call): HttpReply {
  const body = readBody(call.http);
  const prompt = textAt(body, "prompt");
  const request = body["messages"] === undefined ? undefined : chatRequestFrom(body, call);
  const tokens =
    request === undefined
      ? tokenIdsOf(prompt)
      : promptTokensOf(request.messages, request.tools, body["add_generation_prompt"] !== false);
  return json(call, {
    count: tokens.length,
    max_model_len: call.context.config.maxModelLen,
    tokens,
    token_strs: body["return_token_strs"] === true ? tokens.map(tokenText) : null,
  });
}

/** `POST /detokenize`: the texts of the tokens that this process has met. */
export function detokenize(call: Call): HttpReply {
  const tokens = listAt(readBody(call.http), "tokens");
  return json(call, { prompt: tokens.map((token) => tokenText(Number(token))).join("") });
}
