import { describe, expect, test } from "bun:test";
import { readRecording } from "../testing/index.ts";
import type { ServingPath } from "../upstream/open.ts";
import { assembleWhole } from "./assemble-whole.ts";
import { isFinished } from "./finished.ts";
import { writeStream } from "./write-stream.ts";

/*
 * Goal: a stored answer reads the same in both forms. Method: recordings of a real engine that
 * answered one request both ways, and the way there and back.
 */

const parse = (bytes: Uint8Array | undefined) => JSON.parse(new TextDecoder().decode(bytes));

describe("assembleWhole()", () => {
  test("joins texts and keeps the end and the usage", () => {
    const whole = parse(assembleWhole(readRecording("chat-stream-usage").body));
    const recorded = parse(readRecording("chat").body);
    expect(whole.object).toBe("chat.completion");
    expect(whole.choices).toHaveLength(1);
    expect(whole.choices[0].message.role).toBe("assistant");
    expect(whole.choices[0].message.content).toBe(recorded.choices[0].message.content);
    expect(whole.choices[0].finish_reason).toBe("length");
    expect(whole.usage.completion_tokens).toBe(recorded.usage.completion_tokens);
  });

  test("joins the pieces of tool calls", () => {
    const whole = parse(assembleWhole(readRecording("chat-tools-required-stream").body));
    const calls = whole.choices[0].message.tool_calls;
    const [call] = calls;
    expect(calls).toHaveLength(2);
    expect(call.type).toBe("function");
    expect(call.function.name).toBe("get_weather");
    expect(call.function.arguments).toStartWith("22872001");
    expect(call.index).toBeUndefined();
  });

  test("joins log probabilities", () => {
    const whole = parse(assembleWhole(readRecording("chat-stream-logprobs").body));
    expect(whole.choices[0].logprobs.content.length).toBeGreaterThan(1);
  });

  test("joins the texts of completions", () => {
    const whole = parse(assembleWhole(readRecording("completions-stream").body));
    expect(whole.object).toBe("text_completion");
    expect(whole.choices[0].text).toStartWith("even");
  });

  test("knows what is no stream of this API", () => {
    for (const text of ["", "data: [DONE]\n\n", "data: nothing\n\n", "data: {}\n\n"]) {
      expect(assembleWhole(new TextEncoder().encode(text))).toBeUndefined();
    }
  });
});

describe("writeStream()", () => {
  for (const name of ["chat", "chat-tools-required", "completions", "chat-n2"]) {
    test(`writes ${name} so that reading it gives the same answer`, () => {
      const { body } = readRecording(name);
      const { choices, usage, id, object } = parse(assembleWhole(writeStream(body) ?? body));
      const recorded = parse(body);
      expect({ usage, id, object }).toEqual({
        usage: recorded.usage,
        id: recorded.id,
        object: recorded.object,
      });
      for (const [index, choice] of recorded.choices.entries()) {
        expect(choices[index].finish_reason).toBe(choice.finish_reason);
        expect(choices[index].text).toBe(choice.text);
        expect(choices[index].message?.content).toEqual(choice.message?.content);
        expect(choices[index].message?.tool_calls).toEqual(choice.message?.tool_calls);
      }
    });
  }

  test("writes none of what is no answer", () => {
    for (const text of ["", "[]", "{}", '{"choices":[1]}']) {
      expect(writeStream(new TextEncoder().encode(text))).toBeUndefined();
    }
  });
});

describe("isFinished()", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);

  test.each([
    "chat",
    "chat-stream-usage",
    "completions",
    "messages",
    "messages-stream",
    "messages-count_tokens",
    "responses",
    "responses-stream",
  ])("is true of %s", (name) => {
    const recording = readRecording(name);
    const { pathname } = new URL(recording.path, "http://engine");
    expect(isFinished(pathname as ServingPath, recording.body)).toBe(true);
  });

  test.each<[ServingPath, string]>([
    ["/v1/chat/completions", '{"finish_reason":null}'],
    ["/v1/chat/completions", '{"finish_reason":"stop"},{"finish_reason":"abort"}'],
    ["/v1/chat/completions", '{"finish_reason":"content_filter"}'],
    ["/v1/embeddings", '{"data":[]}'],
    ["/v1/messages", '{"stop_reason":"refusal"}'],
    ["/v1/messages", '{"stop_reason":null}'],
    ["/v1/responses", '{"status":"incomplete","output":[{"status":"completed"}]}'],
    ["/v1/responses", 'data: {"type":"response.failed"}'],
  ])("is false on %s of %s", (path, text) => {
    expect(isFinished(path, bytes(text))).toBe(false);
  });
});
