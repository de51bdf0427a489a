import { describe, expect, test } from "bun:test";
import { readRecording } from "../../testing/index.ts";
import { createStreamTranslator, translateAnswer, translateRequest } from "./index.ts";
import { readItems } from "./responses/read-items.ts";
import { chatStream, eventsOf, named, translateStream } from "./testing.ts";
import type { JsonObject } from "./types.ts";

/* The Responses API against the others: documented shapes, and recordings of a real vLLM. */

const schema = { type: "object", properties: { city: { type: "string" } } };

const request = {
  model: "large",
  instructions: "Be brief.",
  stream: true,
  max_output_tokens: 900,
  reasoning: { effort: "high", summary: "auto" },
  text: { format: { type: "json_schema", name: "n", schema, strict: true } },
  tools: [
    { type: "function", name: "weather", description: "d", parameters: schema, strict: false },
  ],
  tool_choice: { type: "function", name: "weather" },
  input: [
    {
      type: "message",
      role: "user",
      content: [
        { type: "input_text", text: "Where is this?" },
        { type: "input_image", image_url: "data:image/png;base64,aGk=", detail: "low" },
      ],
    },
    {
      type: "reasoning",
      id: "rs_1",
      summary: [{ type: "summary_text", text: "hm" }],
      encrypted_content: "c2VhbA==",
    },
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "I look." }] },
    { type: "function_call", call_id: "c1", name: "weather", arguments: '{"city":"Oslo"}' },
    { type: "function_call", call_id: "c2", name: "weather", arguments: '{"city":"Rome"}' },
    { type: "function_call_output", call_id: "c1", output: "rain" },
    { type: "function_call_output", call_id: "c2", output: "sun" },
  ],
};

describe("a responses request", () => {
  test("is a chat whose steps are single messages", () => {
    const sent = translateRequest("responses", "chat", request);
    expect(sent).toMatchObject({
      model: "large",
      stream: true,
      max_completion_tokens: 900,
      reasoning_effort: "high",
      response_format: { type: "json_schema", json_schema: { name: "n", schema, strict: true } },
      tool_choice: { type: "function", function: { name: "weather" } },
    });
    const signature = "responses:rs_1/c2VhbA==";
    expect(sent["messages"]).toEqual([
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [
          { type: "text", text: "Where is this?" },
          { type: "image_url", image_url: { url: "data:image/png;base64,aGk=", detail: "low" } },
        ],
      },
      {
        role: "assistant",
        content: "I look.",
        reasoning: "hm",
        thinking_blocks: [{ type: "thinking", thinking: "hm", signature }],
        tool_calls: [
          {
            id: "c1",
            type: "function",
            function: { name: "weather", arguments: '{"city":"Oslo"}' },
          },
          {
            id: "c2",
            type: "function",
            function: { name: "weather", arguments: '{"city":"Rome"}' },
          },
        ],
      },
      { role: "tool", tool_call_id: "c1", content: "rain" },
      { role: "tool", tool_call_id: "c2", content: "sun" },
    ]);
  });

  test("comes back from chat with the same items, its thinking sealed as it was", () => {
    const chat = translateRequest("responses", "chat", request);
    const back = translateRequest("chat", "responses", chat);
    const { instructions, ...rest } = request;
    const developer = {
      type: "message",
      role: "system",
      content: [{ type: "input_text", text: instructions }],
    };
    expect(back).toEqual({
      ...rest,
      reasoning: { effort: "high" },
      include: ["reasoning.encrypted_content"],
      store: false,
      input: [developer, ...request.input],
    });
  });

  test("gives Anthropic no thinking that OpenAI sealed", () => {
    const { messages } = translateRequest("responses", "messages", request);
    expect(JSON.stringify(messages)).not.toContain("c2VhbA==");
    expect(JSON.stringify(messages)).toContain('"tool_use_id":"c2"');
  });

  test.each([
    ["previous_response_id", { previous_response_id: "resp_1" }],
    ["background", { background: true }],
    ["conversation", { conversation: "conv_1" }],
    ["truncation", { truncation: "auto" }],
    ["tools.0.type", { tools: [{ type: "web_search" }] }],
    ["input.0.type", { input: [{ type: "item_reference", id: "x" }] }],
  ])("refuses %s by name where only OpenAI could do it", (field, members) => {
    const body = { model: "m", input: "q", ...members };
    expect(() => translateRequest("responses", "messages", body)).toThrow(`\`${field}\``);
  });

  test("cannot hold stop sequences, and says so", () => {
    const body = { model: "m", messages: [], stop: "END" };
    expect(() => translateRequest("chat", "responses", body)).toThrow("`stop`");
  });
});

describe("a whole response", () => {
  test("of a real engine is a chat completion", () => {
    const body = JSON.parse(Buffer.from(readRecording("responses").body).toString()) as JsonObject;
    const chat = translateAnswer("responses", "chat", body);
    expect(chat).toMatchObject({
      object: "chat.completion",
      choices: [{ finish_reason: "length", message: { role: "assistant" } }],
      usage: { prompt_tokens: 12, completion_tokens: 4, total_tokens: 16 },
    });
    const again = translateAnswer("chat", "responses", chat);
    expect(again).toMatchObject({
      id: body["id"],
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      usage: { input_tokens: 12, output_tokens: 4, total_tokens: 16 },
    });
  });

  test("of a message keeps thinking, signature and calls, and comes back the same", () => {
    const message = {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "claude",
      content: [
        { type: "thinking", thinking: "hm", signature: "c2ln" },
        { type: "text", text: "Rain." },
        { type: "tool_use", id: "toolu_1", name: "f", input: { a: 1 } },
      ],
      stop_reason: "tool_use",
      stop_sequence: null,
      usage: {
        input_tokens: 15,
        cache_creation_input_tokens: 20,
        cache_read_input_tokens: 288,
        output_tokens: 40,
      },
    };
    const response = translateAnswer("messages", "responses", message);
    expect(response["output"]).toEqual([
      {
        id: "rs_msg_1_0",
        type: "reasoning",
        summary: [{ type: "summary_text", text: "hm" }],
        encrypted_content: "messages:c2ln",
      },
      {
        id: "msg_msg_1_1",
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text: "Rain.", annotations: [], logprobs: [] }],
      },
      {
        id: "fc_msg_1_2",
        type: "function_call",
        status: "completed",
        call_id: "toolu_1",
        name: "f",
        arguments: '{"a":1}',
      },
    ]);
    expect(translateAnswer("responses", "messages", response)).toEqual({
      ...message,
      id: "msg_resp_msg_1",
    });
  });

  test("that failed is the upstream's failure", () => {
    const failed = { output: [], status: "failed", error: { message: "out of memory" } };
    expect(() => translateAnswer("responses", "chat", failed)).toThrow("out of memory");
  });
});

describe("a stream of responses", () => {
  const recorded = Buffer.from(readRecording("responses-stream").body).toString();

  test("of a real engine is a chat stream, however it is cut", () => {
    const chat = translateStream("responses", "chat", recorded);
    for (const pieceBytes of [1, 13, 500]) {
      expect(translateStream("responses", "chat", recorded, pieceBytes)).toBe(chat);
    }
    const events = eventsOf(chat);
    expect(events.slice(0, 2)).toMatchObject([
      { choices: [{ delta: { role: "assistant", content: "cogn" } }] },
      { choices: [{ delta: { content: "FMT" } }] },
    ]);
    expect(events.slice(-3)).toMatchObject([
      { choices: [{ finish_reason: "length" }] },
      { choices: [], usage: { completion_tokens: 2 } },
      "[DONE]",
    ] as object[]);
  });

  test("hands thinking, its seal and refusals on", () => {
    const stream = named([
      { type: "response.created", response: { id: "resp_1", model: "m" } },
      {
        type: "response.output_item.added",
        output_index: 0,
        item: { type: "reasoning", id: "rs_1" },
      },
      { type: "response.reasoning_summary_text.delta", summary_index: 0, delta: "one" },
      { type: "response.reasoning_summary_text.delta", summary_index: 1, delta: "two" },
      {
        type: "response.output_item.done",
        output_index: 0,
        item: { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "c2VhbA==" },
      },
      { type: "response.output_item.added", output_index: 1, item: { type: "message" } },
      { type: "response.refusal.delta", delta: "No." },
      { type: "response.output_item.done", output_index: 1, item: { type: "message" } },
      { type: "response.completed", response: { status: "completed" } },
    ]);
    const blocks = eventsOf(translateStream("responses", "messages", stream));
    expect(blocks).toMatchObject([
      { type: "message_start" },
      { type: "content_block_start", content_block: { type: "thinking" } },
      { delta: { thinking: "one" } },
      { delta: { thinking: "\n\n" } },
      { delta: { thinking: "two" } },
      { delta: { type: "signature_delta", signature: "responses:rs_1/c2VhbA==" } },
      { type: "content_block_stop" },
      { type: "content_block_start", content_block: { type: "text" } },
      { delta: { text: "No." } },
      { type: "content_block_stop" },
      { type: "message_delta", delta: { stop_reason: "end_turn" } },
      { type: "message_stop" },
    ] as object[]);
  });

  test.each([
    ["error", { type: "error", code: "server_error", message: "gone", param: null }],
    ["response.failed", { type: "response.failed", response: { error: { message: "gone" } } }],
  ])("that ends with %s hands the error on and has no end", (_name, event) => {
    const told = translateStream("responses", "chat", named([event]));
    expect(eventsOf(told)).toMatchObject([{ error: { message: "gone" } }]);
  });

  test("of an answer that the engine gave up has no end", () => {
    const stream = named([{ type: "response.completed", response: { status: "cancelled" } }]);
    expect(translateStream("responses", "chat", stream)).toBe("");
  });
});

describe("a stream as responses", () => {
  const chat = chatStream([
    { role: "assistant", content: "" },
    { reasoning: "hm" },
    { content: "hel" },
    { content: "lo" },
    {
      tool_calls: [
        { index: 0, id: "c1", type: "function", function: { name: "f", arguments: "" } },
      ],
    },
    { tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] },
  ]);
  const events = eventsOf(translateStream("chat", "responses", chat)) as readonly JsonObject[];

  test("numbers its events and tells every item from its beginning to its end", () => {
    expect(events.map((event) => event["sequence_number"])).toEqual(events.map((_, at) => at));
    expect(events.map((event) => event["type"])).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
      "response.completed",
    ]);
  });

  test("ends with the whole answer and its usage", () => {
    expect(events.at(-1)?.["response"]).toMatchObject({
      id: "resp_chatcmpl-1",
      status: "completed",
      output: [
        { type: "reasoning", summary: [{ text: "hm" }] },
        { type: "message", content: [{ type: "output_text", text: "hello" }] },
        { type: "function_call", call_id: "c1", name: "f", arguments: '{"a":1}' },
      ],
      usage: { input_tokens: 5, output_tokens: 3, total_tokens: 8 },
    });
  });

  test("says what was cut short", () => {
    const cut = eventsOf(
      translateStream("chat", "responses", chatStream([{ content: "x" }], "length")),
    );
    expect(cut.at(-1)).toMatchObject({
      type: "response.incomplete",
      response: { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } },
    });
  });

  test("comes back as the same messages as the direct way gives", () => {
    const there = translateStream("chat", "responses", chat);
    const direct = eventsOf(translateStream("chat", "messages", chat)).slice(1);
    expect(eventsOf(translateStream("responses", "messages", there)).slice(1)).toEqual(direct);
  });

  test("has no end while the engine has not said so", () => {
    const bytes = Buffer.from(chat);
    const translator = createStreamTranslator("chat", "responses");
    const told = Buffer.from(translator.push(bytes.subarray(0, bytes.length - 3))).toString();
    expect(told).not.toContain("response.completed");
    expect(translator.end().length).toBe(0);
  });
});

test("a hundred thousand results of one step are read in a moment", () => {
  const turns = readItems(
    Array.from({ length: 100_000 }, (_, index) => ({
      type: "function_call_output",
      call_id: String(index),
      output: "x",
    })),
    "input",
  );
  expect([turns.length, turns[0]?.parts.length]).toEqual([1, 100_000]);
});
