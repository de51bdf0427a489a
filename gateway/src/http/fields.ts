import type { FieldRule } from "./json-body.ts";

/** As in the proto rules of SubmitTask, so that every door accepts the same. */
const messageBytesMax = 1_048_576;

/** What a person says: `message` and `question`. */
export const textRule: FieldRule = {
  isRequired: true,
  accepts: "a text of 1 byte to 1 MiB",
  test: (text) => text.length > 0 && Buffer.byteLength(text) <= messageBytesMax,
};

/** Name of a conversation. */
export const threadIdRule: FieldRule = {
  isRequired: true,
  accepts: "a text of 1 to 128 letters, digits, or _ . : -",
  test: (text) => /^[A-Za-z0-9_.:-]{1,128}$/.test(text),
};

/** Name of an agent; left out, it is `assistant`. */
export const agentRule: FieldRule = {
  isRequired: false,
  accepts: "a text of 1 to 64 lower-case letters, digits, _ or -, beginning with a letter",
  test: (text) => /^[a-z][a-z0-9_-]{0,63}$/.test(text),
};

/** The agent that answers when a request names none. */
export const defaultAgent = "assistant";
