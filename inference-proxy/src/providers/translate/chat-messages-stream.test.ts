import { describe, expect, test } from "bun:test";
import { createStreamTranslator } from "./index.ts";
import { chatStream, eventsOf, named, translateStream, unnamed } from "./testing.ts";

/* Streams of chat completions against streams of messages, in the documented shapes. */

const usage = {
  input_tokens: 15,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 288,
  output_tokens: 40,
};

const messageStart = {
  type: "message_start",
  message: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  },
};

const blockDelta = (index: number, delta: object) => ({
  type: "content_block_delta",
  index,
  delta,
});
const blockStart = (index: number, content_block: object) => ({
  type: "content_block_start",
  index,
  content_block,
});
const blockStop = (index: number) => ({ type: "content_block_stop", index });

/** Thinking, text in two languages, two calls. */
const agentMessages = named([
  messageStart,
  blockStart(0, { type: "thinking", thinking: "", signature: "" }),
  { type: "ping" },
  blockDelta(0, { type: "thinking_delta", thinking: "Let me " }),
  blockDelta(0, { type: "thinking_delta", thinking: "see." }),
  blockDelta(0, { type: "signature_delta", signature: "c2ln" }),
  blockStop(0),
  blockStart(1, { type: "redacted_thinking", data: "c2VhbA==" }),
  blockStop(1),
  blockStart(2, { type: "text", text: "" }),
  blockDelta(2, { type: "text_delta", text: "Grüße, " }),
  blockDelta(2, { type: "text_delta", text: "世界 🌍" }),
  blockStop(2),
  blockStart(3, { type: "tool_use", id: "toolu_1", name: "weather", input: {} }),
  blockDelta(3, { type: "input_json_delta", partial_json: "" }),
  blockDelta(3, { type: "input_json_delta", partial_json: '{"city":' }),
  blockDelta(3, { type: "input_json_delta", partial_json: '"Oslo"}' }),
  blockStop(3),
  blockStart(4, { type: "tool_use", id: "toolu_2", name: "now", input: {} }),
  blockDelta(4, { type: "input_json_delta", partial_json: "{}" }),
  blockStop(4),
  {
    type: "message_delta",
    delta: { stop_reason: "tool_use", stop_sequence: null },
    usage: { output_tokens: 40 },
  },
  { type: "message_stop" },
]);

/** What SDKs make of the chunks of a chat stream. */
function joinChat(text: string) {
  const joined = { content: "", reasoning: "", blocks: [] as unknown[], calls: [] as string[] };
  let finishReason: unknown;
  let last: unknown;
  for (const event of eventsOf(text)) {
    if (typeof event === "string") {
      last = event;
      continue;
    }
    const [choice] = event["choices"] as { delta: Delta; finish_reason: string | null }[];
    finishReason = choice?.finish_reason ?? finishReason;
    last = event["usage"] ?? last;
    const { content, reasoning, thinking_blocks, tool_calls } = choice?.delta ?? {};
    joined.content += content ?? "";
    joined.reasoning += reasoning ?? "";
    joined.blocks.push(...(thinking_blocks ?? []));
    for (const call of tool_calls ?? []) {
      const { name = "", arguments: json = "" } = call.function;
      joined.calls[call.index] =
        (joined.calls[call.index] ?? "") +
        (call.id === undefined ? "" : `${call.id} ${name} `) +
        json;
    }
  }
  return { ...joined, finishReason, last };
}

interface Delta {
  readonly content?: string;
  readonly reasoning?: string;
  readonly thinking_blocks?: unknown[];
  readonly tool_calls?: {
    readonly index: number;
    readonly id?: string;
    readonly function: { readonly name?: string; readonly arguments?: string };
  }[];
}

describe("a stream of messages as chat", () => {
  const chat = translateStream("messages", "chat", agentMessages);

  test("has every part, proof and count", () => {
    expect(joinChat(chat)).toEqual({
      content: "Grüße, 世界 🌍",
      reasoning: "Let me see.",
      blocks: [
        { type: "thinking", thinking: "Let me see.", signature: "c2ln" },
        { type: "redacted_thinking", data: "c2VhbA==" },
      ],
      calls: ['toolu_1 weather {"city":"Oslo"}', "toolu_2 now {}"],
      finishReason: "tool_calls",
      last: "[DONE]",
    });
    const events = eventsOf(chat);
    expect(events.at(-2)).toMatchObject({
      choices: [],
      usage: {
        prompt_tokens: 303,
        completion_tokens: 40,
        prompt_tokens_details: { cached_tokens: 288 },
      },
    });
  });

  test("is the same however its bytes are cut", () => {
    for (const pieceBytes of [1, 2, 3, 5, 7, 11, 64, 1000]) {
      expect(translateStream("messages", "chat", agentMessages, pieceBytes)).toBe(chat);
    }
  });

  test("comes back as the same blocks", () => {
    const back = eventsOf(translateStream("chat", "messages", chat));
    const wanted = eventsOf(agentMessages).filter(
      (event) => typeof event !== "string" && event["type"] !== "ping" && !isEmptyDelta(event),
    );
    const [, ...blocks] = back.slice(0, -2);
    expect(blocks).toEqual(wanted.slice(1, -2));
    expect(back.slice(-2)).toEqual([
      {
        type: "message_delta",
        delta: { stop_reason: "tool_use", stop_sequence: null },
        usage,
      },
      { type: "message_stop" },
    ]);
  });

  test("says nothing before its first content, so that a failure can still be retried", () => {
    const translator = createStreamTranslator("messages", "chat");
    expect(translator.push(Buffer.from(named([messageStart, { type: "ping" }]))).length).toBe(0);
    expect(translator.facts.hasContent).toBe(false);
    const error = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    const told = eventsOf(Buffer.from(translator.push(Buffer.from(named([error])))).toString());
    expect(told).toEqual([
      { error: { message: "Overloaded", type: "overloaded_error", param: null, code: null } },
    ]);
    expect(translator.facts.error?.type).toBe("overloaded_error");
  });

  test("passes arguments on that come whole with the block's start", () => {
    const whole = named([
      messageStart,
      blockStart(0, { type: "tool_use", id: "t", name: "f", input: { a: 1 } }),
      blockStop(0),
    ]);
    expect(joinChat(translateStream("messages", "chat", whole)).calls).toEqual(['t f {"a":1}']);
  });
});

function isEmptyDelta(event: unknown): boolean {
  return JSON.stringify(event).includes('"partial_json":""');
}

describe("a chat stream as messages", () => {
  const stream = chatStream([
    { role: "assistant", content: "" },
    { reasoning_content: "hm" },
    { content: "hel" },
    { content: "lo" },
    {
      tool_calls: [
        { index: 0, id: "c1", type: "function", function: { name: "f", arguments: "" } },
      ],
    },
    { tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] },
    { tool_calls: [{ index: 0, function: { arguments: ":1}" } }] },
  ]);

  test("opens and closes a block for each kind of delta, and ends with usage", () => {
    expect(eventsOf(translateStream("chat", "messages", stream)).slice(1)).toEqual([
      blockStart(0, { type: "thinking", thinking: "", signature: "" }),
      blockDelta(0, { type: "thinking_delta", thinking: "hm" }),
      blockStop(0),
      blockStart(1, { type: "text", text: "" }),
      blockDelta(1, { type: "text_delta", text: "hel" }),
      blockDelta(1, { type: "text_delta", text: "lo" }),
      blockStop(1),
      blockStart(2, { type: "tool_use", id: "c1", name: "f", input: {} }),
      blockDelta(2, { type: "input_json_delta", partial_json: '{"a"' }),
      blockDelta(2, { type: "input_json_delta", partial_json: ":1}" }),
      blockStop(2),
      {
        type: "message_delta",
        delta: { stop_reason: "tool_use", stop_sequence: null },
        usage: {
          input_tokens: 5,
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: 0,
          output_tokens: 3,
        },
      },
      { type: "message_stop" },
    ]);
  });

  test("cut after any byte has an end only if it is whole", () => {
    const bytes = Buffer.from(stream);
    const whole = translateStream("chat", "messages", stream);
    for (let length = 0; length < bytes.length; length += 1) {
      const translator = createStreamTranslator("chat", "messages");
      const told = Buffer.from(translator.push(bytes.subarray(0, length))).toString();
      expect(whole.startsWith(told)).toBe(true);
      expect(told).not.toContain("message_stop");
      expect(translator.facts.isComplete).toBe(false);
      expect(translator.end().length).toBe(0);
    }
  });

  test.each([
    ["an end mark alone", ["[DONE]"]],
    [
      "an answer that the engine gave up",
      [{ id: "1", choices: [{ index: 0, delta: {}, finish_reason: "abort" }] }, "[DONE]"],
    ],
  ])("gets no end for %s", (_name, events) => {
    expect(translateStream("chat", "messages", unnamed(events))).not.toContain("message_stop");
  });

  test("hands the engine's own error on and nothing after it", () => {
    const failed = unnamed([
      { id: "1", choices: [{ index: 0, delta: { content: "x" } }] },
      { error: { message: "engine died", type: "InternalServerError", code: 500 } },
      "[DONE]",
    ]);
    expect(eventsOf(translateStream("chat", "messages", failed)).at(-1)).toEqual({
      type: "error",
      error: { type: "InternalServerError", message: "engine died" },
    });
  });

  test("refuses what is not JSON, and calls that overlap", () => {
    expect(() => translateStream("chat", "messages", "data: hello\n\n")).toThrow("JSON");
    const call = (index: number) => ({ tool_calls: [{ index, id: `c${index}`, function: {} }] });
    const overlapping = chatStream([call(0), call(1), call(0)]);
    expect(() => translateStream("chat", "messages", overlapping)).toThrow("went back");
  });
});
