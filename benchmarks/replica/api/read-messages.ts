import { isObject, listAt, objectAt, textAt } from "../json.ts";
import type { ChatMessage, ChatRequest, JsonObject, Tool } from "../types.ts";
import type { Call } from "./call.ts";
import { samplingFrom } from "./read-sampling.ts";

/**
 * Reads a request of Anthropic's API as a chat request; its stop texts and tools keep their sense.
 */
export function messagesRequestFrom(body: JsonObject, call: Call): ChatRequest {
  const { messages, tools } = promptOf(body);
  const choice = textAt(objectAt(body, "tool_choice"), "type");
  const named = textAt(objectAt(body, "tool_choice"), "name");
  const asChat = { ...body, stop: body["stop_sequences"], stream_options: undefined };
  return {
    ...samplingFrom(asChat, call),
    n: 1,
    messages,
    tools,
    toolChoice:
      choice === "tool"
        ? { kind: "named", name: named }
        : { kind: toolChoices[choice] ?? (tools.length === 0 ? "none" : "auto") },
    responseSchema: undefined,
  };
}

const toolChoices: Readonly<Record<string, "required" | "none">> = {
  any: "required",
  none: "none",
};

/** The conversation and the tools of a request of Anthropic's API. */
export function promptOf(body: JsonObject): { messages: ChatMessage[]; tools: Tool[] } {
  const system = textOf(body["system"]);
  const messages = listAt(body, "messages").flatMap(messagesFrom);
  return {
    messages: system === "" ? messages : [textMessage("system", system), ...messages],
    tools: listAt(body, "tools").map((tool) => ({
      name: textAt(tool, "name"),
      description: textAt(tool, "description"),
      parameters: objectAt(tool, "input_schema"),
    })),
  };
}

/** One message; what tools returned stands in a user's message there and alone in chat. */
function messagesFrom(value: unknown): ChatMessage[] {
  const content = isObject(value) ? value["content"] : undefined;
  const blocks: readonly unknown[] = Array.isArray(content) ? content : [];
  const results = blocks
    .filter((block) => textAt(block, "type") === "tool_result")
    .map((block) => ({
      role: "tool",
      text: textOf(isObject(block) ? block["content"] : undefined),
      toolCalls: [],
      toolCallId: textAt(block, "tool_use_id"),
    }));
  const toolCalls = blocks
    .filter((block) => textAt(block, "type") === "tool_use")
    .map((block) => ({
      id: textAt(block, "id"),
      name: textAt(block, "name"),
      argumentsJson: JSON.stringify(objectAt(block, "input")),
    }));
  const text = textOf(content);
  if (text === "" && toolCalls.length === 0 && results.length > 0) return results;
  const role = textAt(value, "role");
  return [...results, { role, text, toolCalls, toolCallId: undefined }];
}

/** The text of a content that is one, or of the text blocks of a list. */
export function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((block: unknown) => textAt(block, "text")).join("");
}

/** A message that is a text and nothing else. */
export function textMessage(role: string, text: string): ChatMessage {
  return { role, text, toolCalls: [], toolCallId: undefined };
}
