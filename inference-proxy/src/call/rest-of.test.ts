import { expect, test } from "bun:test";
import { stopRest, toolRest } from "../sessions/index.ts";
import { restOf } from "./rest-of.ts";

const whole = (answer: unknown) =>
  restOf({ kind: "whole", bytes: new TextEncoder().encode(JSON.stringify(answer)) });

test("a whole answer that asks for a tool names it, in every format", () => {
  const call = { id: "c", type: "function", function: { name: "bash", arguments: "{}" } };
  const chat = { choices: [{ message: { tool_calls: [call] }, finish_reason: "tool_calls" }] };
  const messages = { content: [{ type: "tool_use", id: "t", name: "read_file", input: {} }] };
  const responses = { output: [{ type: "function_call", call_id: "f", name: "search" }] };
  expect([chat, messages, responses].map(whole)).toEqual(["bash", "read_file", "search"]);
  const long = { tool_calls: [{ function: { name: "x".repeat(500) } }] };
  expect(whole(long)).toHaveLength(64);
  expect(whole({ tool_calls: [{ function: {} }] })).toBe(toolRest);
});

test("any other whole answer is waited for by whoever reads it", () => {
  expect(whole({ choices: [{ message: { content: "hi" }, finish_reason: "stop" }] })).toBe(
    stopRest,
  );
  expect(whole({ data: [] })).toBe(stopRest);
  // As vLLM writes it.
  const message = { role: "assistant", content: "hi", function_call: null, tool_calls: [] };
  expect(whole({ choices: [{ message, finish_reason: "stop" }] })).toBe(stopRest);
  expect(restOf({ kind: "whole", bytes: Buffer.from('{ "tool_calls" : [ ] }') })).toBe(stopRest);
});

test("a stream is followed by the tool that it named, by tools where it named none, or by a reader", () => {
  const stream = (facts: { readonly toolName?: string; readonly finishReason?: string }) =>
    restOf({
      kind: "stream",
      events: {
        facts: {
          finishReason: undefined,
          choiceEvents: 1,
          isFailed: false,
          isFalseEnd: false,
          usage: undefined,
          ...facts,
        },
        sequenceNumber: 0,
        next: async () => undefined,
        cancel: () => undefined,
      },
    });
  expect(stream({ toolName: "bash", finishReason: "tool_calls" })).toBe("bash");
  // Of a tool that the client named itself vLLM says "stop".
  expect(stream({ toolName: "bash", finishReason: "stop" })).toBe("bash");
  expect(stream({ finishReason: "tool_use" })).toBe(toolRest);
  expect(stream({ finishReason: "stop" })).toBe(stopRest);
  expect(stream({})).toBe(stopRest);
  expect(stream({ toolName: "bash" })).toBe(stopRest);
});
