import { createHash } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Message,
  MessageSchema,
  type Part,
  Role,
  type ToolResultSchema,
  WireFormSchema,
} from "@warmpath/proto/common";
import { assert } from "./base/index.ts";

/** The format of OpenAI's chat completions: one element of `messages`. */
export const openaiChatFormat = "openai-chat";

const encoder = new TextEncoder();

/**
 * The message with its wire form, made here when it has none. The encoding is deterministic: same
 * message, same bytes, so that hashes and prompt prefixes stay the same.
 */
export function encodeWire(message: Message): Message {
  if (message.wire !== undefined) {
    return message;
  }
  const data = encoder.encode(openaiJson(message));
  const wire = create(WireFormSchema, { format: openaiChatFormat, data });
  return { ...message, wire };
}

/** SHA-256 of the wire bytes: the identity of a message within its tenant. */
export function messageHash(message: Message): Uint8Array {
  const { wire } = encodeWire(message);
  assert(wire !== undefined, "an encoded message has its wire form");
  return new Uint8Array(createHash("sha256").update(wire.data).digest());
}

/** The text parts, joined. */
export function textOf(message: Message): string {
  return message.parts.map(({ kind }) => (kind.case === "text" ? kind.value : "")).join("");
}

/** What a person or a service said. */
export function userMessage(text: string): Message {
  return encodeWire(textMessage(Role.USER, text));
}

/** Instructions of an agent's author. */
export function systemMessage(text: string): Message {
  return encodeWire(textMessage(Role.SYSTEM, text));
}

/** What a model answered, without tool calls. */
export function assistantMessage(text: string): Message {
  return encodeWire(textMessage(Role.ASSISTANT, text));
}

/** What a tool answered. */
export function toolMessage(result: MessageInitShape<typeof ToolResultSchema>): Message {
  const parts = [{ kind: { case: "toolResult" as const, value: result } }];
  return encodeWire(create(MessageSchema, { role: Role.TOOL, parts }));
}

function textMessage(role: Role, text: string): Message {
  return create(MessageSchema, { role, parts: [{ kind: { case: "text", value: text } }] });
}

/** Keys in the order role, tool_call_id, content, tool_calls; nothing that is not there. */
function openaiJson(message: Message): string {
  const members = [`"role":${JSON.stringify(roleName(message.role))}`];
  const result = message.parts.find(({ kind }) => kind.case === "toolResult")?.kind;
  if (result?.case === "toolResult") {
    members.push(`"tool_call_id":${JSON.stringify(result.value.callId)}`);
    members.push(`"content":${JSON.stringify(result.value.content)}`);
    return `{${members.join(",")}}`;
  }
  const calls = message.parts.flatMap(({ kind }) => (kind.case === "toolCall" ? [kind.value] : []));
  members.push(`"content":${contentJson(message.parts, calls.length > 0)}`);
  if (calls.length > 0) {
    const toolCalls = calls.map(({ callId, name, argumentsJson }) => ({
      id: callId,
      type: "function",
      function: { name, arguments: argumentsJson },
    }));
    members.push(`"tool_calls":${JSON.stringify(toolCalls)}`);
  }
  return `{${members.join(",")}}`;
}

/**
 * A plain string where there is only text; an array of parts, the provider's own verbatim, where
 * there is more.
 */
function contentJson(parts: readonly Part[], hasCalls: boolean): string {
  const opaque = parts.some(({ kind }) => isOpaqueChat(kind));
  if (opaque) {
    return `[${parts.flatMap(({ kind }) => partJson(kind)).join(",")}]`;
  }
  const text = parts.map(({ kind }) => (kind.case === "text" ? kind.value : "")).join("");
  // An answer that only calls tools has no content, which OpenAI writes as null.
  return text === "" && hasCalls ? "null" : JSON.stringify(text);
}

function isOpaqueChat(kind: Part["kind"]): boolean {
  return kind.case === "opaque" && kind.value.format === openaiChatFormat;
}

function partJson(kind: Part["kind"]): string[] {
  if (kind.case === "text") {
    return [`{"type":"text","text":${JSON.stringify(kind.value)}}`];
  }
  if (kind.case === "opaque" && isOpaqueChat(kind)) {
    return [new TextDecoder().decode(kind.value.data)];
  }
  return [];
}

function roleName(role: Role): string {
  switch (role) {
    case Role.SYSTEM:
      return "system";
    case Role.ASSISTANT:
      return "assistant";
    case Role.TOOL:
      return "tool";
    default:
      return "user";
  }
}
