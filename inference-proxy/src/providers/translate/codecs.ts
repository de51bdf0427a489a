import { chatCodec } from "./chat/index.ts";
import { geminiCodec } from "./gemini/index.ts";
import { messagesCodec } from "./messages/index.ts";
import { responsesCodec } from "./responses/index.ts";
import type { ClientCodec, ClientFormat, Format, UpstreamCodec } from "./types.ts";

/** By what clients speak. */
export const clientCodecs: Readonly<Record<ClientFormat, ClientCodec>> = {
  chat: chatCodec,
  messages: messagesCodec,
  responses: responsesCodec,
};

/** By what upstreams speak. */
export const upstreamCodecs: Readonly<Record<Format, UpstreamCodec>> = {
  chat: chatCodec,
  messages: messagesCodec,
  responses: responsesCodec,
  gemini: geminiCodec,
};
