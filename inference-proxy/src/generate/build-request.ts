import type { Message, ToolDefinition } from "@warmpath/proto/common";
import type { GenerateRequest, Sampling } from "@warmpath/proto/inference";
import { encodeWire, openaiChatFormat } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";

/** A neutral request as a body of OpenAI's chat completions. */
export interface ChatRequest {
  body(options: {
    readonly model: string;
    readonly cacheSalt: string | undefined;
  }): Uint8Array<ArrayBuffer>;
}

/**
 * Messages keep their wire bytes, so that the prompt's prefix is the same to the byte from turn to
 * turn.
 */
export function buildChatRequest(request: GenerateRequest): ChatRequest {
  const messages = wireMessages(request.messages);
  const tools = request.tools.map(toolJson).join(",");
  const rest = [
    ...samplingMembers(request.sampling),
    ...(tools === "" ? [] : [`"tools":[${tools}]`]),
    `"stream":true`,
    `"stream_options":{"include_usage":true}`,
  ];
  return {
    body: ({ model, cacheSalt }) => {
      const members = [
        `"model":${JSON.stringify(model)}`,
        ...(cacheSalt === undefined ? [] : [`"cache_salt":${JSON.stringify(cacheSalt)}`]),
        ...rest,
      ];
      return bodyOf(`${members.join(",")},`, messages);
    },
  };
}

/** A body that has nothing but messages, to find out what would be done with them. */
export function messagesBody(messages: readonly Message[]): Uint8Array<ArrayBuffer> {
  return bodyOf("", wireMessages(messages));
}

/** The messages of such a body, as JSON. */
export function readMessages(body: Uint8Array): unknown {
  const parsed: unknown = JSON.parse(new TextDecoder().decode(body));
  // It was written here, with this member.
  return (parsed as { readonly messages: unknown }).messages;
}

function bodyOf(members: string, messages: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Buffer.concat([
    Buffer.from(`{${members}"messages":[`),
    ...messages.flatMap((bytes, index) => (index === 0 ? [bytes] : [comma, bytes])),
    Buffer.from("]}"),
  ]);
}

const comma = Buffer.from(",");

/** The bytes of each message as one element of `messages`. */
function wireMessages(messages: readonly Message[]): readonly Uint8Array[] {
  return messages.map((message, index) => {
    if (message.wire?.format !== openaiChatFormat) {
      const { wire: _otherFormat, ...neutral } = message;
      return encodeWire(neutral).wire?.data ?? new Uint8Array();
    }
    // What is spliced must be one whole object, or it could close the array and set members of its
    // own.
    assertObject(message.wire.data, `messages[${index}].wire.data`);
    return message.wire.data;
  });
}

function samplingMembers(sampling: Sampling | undefined): readonly string[] {
  if (sampling === undefined) {
    return [];
  }
  const { maxOutputTokens, temperature, topP, seed, stop } = sampling;
  return [
    ...(maxOutputTokens === undefined ? [] : [`"max_tokens":${maxOutputTokens}`]),
    ...(temperature === undefined ? [] : [`"temperature":${temperature}`]),
    ...(topP === undefined ? [] : [`"top_p":${topP}`]),
    // A 64-bit integer: written as it is, not through a double.
    ...(seed === undefined ? [] : [`"seed":${seed}`]),
    ...(stop.length === 0 ? [] : [`"stop":${JSON.stringify(stop)}`]),
  ];
}

function toolJson(tool: ToolDefinition, index: number): string {
  const parameters = tool.parametersJson === "" ? '{"type":"object"}' : tool.parametersJson;
  assertObject(new TextEncoder().encode(parameters), `tools[${index}].parameters_json`);
  const name = JSON.stringify(tool.name);
  const description = JSON.stringify(tool.description);
  return `{"type":"function","function":{"name":${name},"description":${description},"parameters":${parameters}}}`;
}

function assertObject(bytes: Uint8Array, field: string): void {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // Not JSON: refused below together with JSON that is no object.
    parsed = undefined;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    const fault = "must be one JSON object";
    throw new WarmpathError("rejected-invalid", `${field} ${fault}`, {
      fields: [{ field, fault }],
    });
  }
}
