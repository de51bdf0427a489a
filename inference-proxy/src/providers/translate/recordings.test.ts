import { describe, expect, test } from "bun:test";
import { readRecording } from "../../testing/index.ts";
import { translateAnswer } from "./index.ts";
import { eventsOf, translateStream } from "./testing.ts";
import type { ClientFormat, JsonObject } from "./types.ts";

/*
 * Goal: what a real vLLM says is understood. Method: its recorded streams and whole answers in every
 * other format, where both tell the same.
 */

const formats: readonly ClientFormat[] = ["chat", "messages", "responses"];
const streams = [
  ["chat-stream-usage", "chat"],
  ["chat-tools-required-stream", "chat"],
  ["usage-cached-chat-stream", "chat"],
  ["stream-interval-4-force-usage", "chat"],
  ["messages-stream", "messages"],
  ["usage-cached-messages-stream", "messages"],
  ["responses-stream", "responses"],
] as const;
const answers = [
  ["chat", "chat"],
  ["chat-tools-required", "chat"],
  ["messages", "messages"],
  ["usage-cached-messages", "messages"],
  ["responses", "responses"],
  ["usage-cached-responses", "responses"],
] as const;

const bodyOf = (name: string) => Buffer.from(readRecording(name).body).toString();

/** The end that every stream of the format has. */
const ends: Readonly<Record<ClientFormat, RegExp>> = {
  chat: /data: \[DONE\]\n\n$/,
  messages: /event: message_stop\ndata: \{"type":"message_stop"\}\n\n$/,
  responses: /event: response\.(completed|incomplete)\ndata: .*\n\n$/,
};

describe.each(streams)("%s", (name, from) => {
  for (const to of formats.filter((format) => format !== from)) {
    test(`is a whole stream of ${to}, the same however it is cut`, () => {
      const recorded = bodyOf(name);
      const told = translateStream(from, to, recorded);
      expect(told).toMatch(ends[to]);
      for (const pieceBytes of [1, 7, 300]) {
        expect(translateStream(from, to, recorded, pieceBytes)).toBe(told);
      }
      expect(eventsOf(told).length).toBeGreaterThan(3);
    });
  }
});

describe.each(answers)("%s", (name, from) => {
  const recorded = JSON.parse(bodyOf(name)) as JsonObject;
  const chat = from === "chat" ? recorded : translateAnswer(from, "chat", recorded);

  for (const to of formats.filter((format) => format !== "chat")) {
    test(`says the same in ${to} as in chat`, () => {
      const there = to === from ? recorded : translateAnswer(from, to, recorded);
      expect(wordsOf(translateAnswer(to, "chat", there))).toEqual(wordsOf(chat));
    });
  }
});

/** What a chat completion says, without what only chat completions say. */
function wordsOf(chat: JsonObject): unknown {
  const [choice] = chat["choices"] as { message: JsonObject; finish_reason: string }[];
  const { content, tool_calls } = choice?.message ?? {};
  const { prompt_tokens, completion_tokens } = chat["usage"] as JsonObject;
  return {
    content: content === "" ? null : content,
    calls: Array.isArray(tool_calls) && tool_calls.length > 0 ? tool_calls : undefined,
    finish: choice?.finish_reason,
    prompt_tokens,
    completion_tokens,
  };
}
