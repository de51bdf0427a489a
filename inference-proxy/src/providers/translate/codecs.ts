import { chatCodec } from "./chat/index.ts";
import { messagesCodec } from "./messages/index.ts";
import type { Format, FormatCodec } from "./types.ts";

/** Every format's readers and writers. */
export const codecs: Readonly<Record<Format, FormatCodec>> = {
  chat: chatCodec,
  messages: messagesCodec,
};
