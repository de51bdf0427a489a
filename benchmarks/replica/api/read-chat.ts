import { isObject, listAt, objectAt, textAt } from "../json.ts";
import type { ChatMessage, ChatRequest, JsonObject, Tool, ToolChoice } from "../types.ts";
import type { Call } from "./call.ts";
import { checkMessages, checkToolsAndFormat } from "./check-fields.ts";
import { badRequest } from "./errors.ts";
import { requireField, wrongType } from "./read-body.ts";
import { samplingFrom } from "./read-sampling.ts";

/** Checks a chat request in the recorded engine's order. */
export function chatRequestFrom(body: JsonObject, call: Call): ChatRequest {
  requireField(body, "messages");
  if (!Array.isArray(body["messages"])) throw wrongType(body, "messages", "list", "a valid list");
  checkMessages(listAt(body, "messages"));
  checkToolsAndFormat(body);
  const sampling = samplingFrom(body, call);
  const messages = listAt(body, "messages").map(messageFrom);
  if (messages.length === 0) {
    throw badRequest(
      "Cannot apply chat template to an empty conversation. Provide at least one message.",
    );
  }
  const tools = listAt(body, "tools").map(toolFrom);
  const format = objectAt(body, "response_format");
  const wantsJson = format["type"] === "json_schema" || format["type"] === "json_object";
  return {
    ...sampling,
    messages,
    tools,
    toolChoice: toolChoiceFrom(body["tool_choice"], tools),
    responseSchema: wantsJson ? schemaFrom(format) : undefined,
  };
}

function messageFrom(value: unknown): ChatMessage {
  const toolCalls = listAt(value, "tool_calls").map((call) => ({
    id: textAt(call, "id"),
    name: textAt(objectAt(call, "function"), "name"),
    argumentsJson: textAt(objectAt(call, "function"), "arguments"),
  }));
  return {
    role: textAt(value, "role"),
    text: contentText(isObject(value) ? value["content"] : undefined),
    toolCalls,
    toolCallId: textAt(value, "tool_call_id") || undefined,
  };
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: unknown) => textAt(part, "text")).join("");
}

function toolFrom(value: unknown): Tool {
  const declared = objectAt(value, "function");
  return {
    name: textAt(declared, "name"),
    description: textAt(declared, "description"),
    parameters: objectAt(declared, "parameters"),
  };
}

function toolChoiceFrom(value: unknown, tools: readonly Tool[]): ToolChoice {
  const named = textAt(objectAt(value, "function"), "name");
  if ((value === "required" || named !== "") && tools.length === 0) {
    const message = "When using `tool_choice`, `tools` must be set. (parameter=tool_choice)";
    throw badRequest(message, "tool_choice");
  }
  if (named !== "") {
    if (tools.some((tool) => tool.name === named)) return { kind: "named", name: named };
    const message =
      "The tool specified in `tool_choice` does not match any of the specified `tools`";
    throw badRequest(`${message} (parameter=tool_choice)`, "tool_choice");
  }
  if (value === "required" || value === "none") return { kind: value };
  return { kind: tools.length === 0 ? "none" : "auto" };
}

const jsonTypes = ["string", "number", "integer", "boolean", "array", "object", "null"];

/** The schema that answers must fit; the grammar compiler looks at its type. */
function schemaFrom(format: JsonObject): JsonObject {
  const schema = objectAt(objectAt(format, "json_schema"), "schema");
  const type = schema["type"];
  if (typeof type === "string" && !jsonTypes.includes(type)) {
    throw badRequest(`Grammar error: Invalid type: ${type}`);
  }
  return schema;
}
