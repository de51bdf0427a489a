import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { MessageSchema, Role } from "@warmpath/proto/common";
import {
  encodeWire,
  messageHash,
  systemMessage,
  textOf,
  toolMessage,
  userMessage,
} from "./wire-message.ts";

function wireText(message: ReturnType<typeof userMessage>): string {
  return new TextDecoder().decode(encodeWire(message).wire?.data);
}

describe("the wire form of a message", () => {
  test("is one element of OpenAI's messages, keys in a fixed order", () => {
    expect(wireText(userMessage("hi"))).toBe('{"role":"user","content":"hi"}');
    expect(wireText(systemMessage("be kind"))).toBe('{"role":"system","content":"be kind"}');
    expect(wireText(toolMessage({ callId: "c1", name: "calculator", content: "42" }))).toBe(
      '{"role":"tool","tool_call_id":"c1","content":"42"}',
    );
  });

  test("of an answer has its tool calls last and null for no text", () => {
    const call = { callId: "c1", name: "f", argumentsJson: '{"a": 1' };
    const answer = create(MessageSchema, {
      role: Role.ASSISTANT,
      parts: [{ kind: { case: "toolCall", value: call } }],
    });
    expect(wireText(answer)).toBe(
      '{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",' +
        '"function":{"name":"f","arguments":"{\\"a\\": 1"}}]}',
    );
  });

  test("keeps a provider's own parts to the byte", () => {
    const data = new TextEncoder().encode('{ "type" : "image_url" , "x":1.0}');
    const message = create(MessageSchema, {
      role: Role.USER,
      parts: [
        { kind: { case: "text", value: "look" } },
        { kind: { case: "opaque", value: { format: "openai-chat", data } } },
        { kind: { case: "opaque", value: { format: "other", data } } },
      ],
    });
    expect(wireText(message)).toBe(
      '{"role":"user","content":[{"type":"text","text":"look"},{ "type" : "image_url" , "x":1.0}]}',
    );
  });

  test("is never made anew when there is one", () => {
    const data = new TextEncoder().encode('{"content":"hi","role":"user"}');
    const message = create(MessageSchema, { role: Role.USER, wire: { format: "x", data } });
    expect(encodeWire(message)).toBe(message);
  });

  test("carries any legal text, NUL characters and emoji included", () => {
    const text = 'nul \u0000 quote " emoji 😀 lone \ud800';
    expect(JSON.parse(wireText(userMessage(text))).content).toBe(text);
    expect(textOf(userMessage(text))).toBe(text);
  });
});

test("the hash names the bytes: same message same hash, other message other hash", () => {
  expect(messageHash(userMessage("a"))).toEqual(messageHash(userMessage("a")));
  expect(messageHash(userMessage("a"))).not.toEqual(messageHash(systemMessage("a")));
  expect(messageHash(userMessage("a"))).toHaveLength(32);
});
