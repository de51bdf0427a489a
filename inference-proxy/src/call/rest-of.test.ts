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
