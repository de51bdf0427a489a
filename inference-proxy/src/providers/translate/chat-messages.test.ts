import { describe, expect, test } from "bun:test";
import { translateAnswer, translateRequest } from "./index.ts";
import { parseExactJson } from "./json.ts";
import type { JsonObject } from "./types.ts";

/* Chat completions against messages: requests and whole answers, in the documented shapes. */

const weatherSchema = { type: "object", properties: { city: { type: "string" } } };

const agentChat = {
  model: "large",
  stream: true,
  max_completion_tokens: 900,
  stop: ["END"],
  temperature: 0.5,
  parallel_tool_calls: false,
  tool_choice: "required",
  user: "u-1",
  tools: [
    {
      type: "function",
      function: { name: "weather", description: "Looks out.", parameters: weatherSchema },
    },
  ],
  messages: [
    { role: "system", content: "Be brief." },
    {
      role: "user",
      content: [
        { type: "text", text: "Where is this?" },
        { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } },
        { type: "image_url", image_url: { url: "https://example.com/a.png" } },
      ],
    },
    {
      role: "assistant",
      content: "I look.",
      tool_calls: [
        {
          id: "call_1",
          type: "function",
          function: { name: "weather", arguments: '{"city":"Oslo"}' },
        },
        {
          id: "call_2",
          type: "function",
          function: { name: "weather", arguments: '{"city":"Rome"}' },
        },
      ],
    },
    { role: "tool", tool_call_id: "call_1", content: "rain" },
    { role: "tool", tool_call_id: "call_2", content: "sun" },
    { role: "user", content: "So?" },
  ],
};

describe("a chat request as messages", () => {
  const sent = translateRequest("chat", "messages", agentChat);

  test("has the system prompt, limits and choice of tools under their names there", () => {
    expect(sent).toMatchObject({
      model: "large",
      stream: true,
      system: "Be brief.",
      max_tokens: 900,
      stop_sequences: ["END"],
      temperature: 0.5,
      tool_choice: { type: "any", disable_parallel_tool_use: true },
      tools: [{ name: "weather", description: "Looks out.", input_schema: weatherSchema }],
      metadata: { user_id: "u-1" },
    });
  });

  test("has images as sources, calls as blocks, and all results of a step in one message", () => {
    expect(sent["messages"]).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "Where is this?" },
          { type: "image", source: { type: "base64", media_type: "image/png", data: "aGk=" } },
          { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
        ],
      },
      {
        role: "assistant",
        content: [
          { type: "text", text: "I look." },
          { type: "tool_use", id: "call_1", name: "weather", input: { city: "Oslo" } },
          { type: "tool_use", id: "call_2", name: "weather", input: { city: "Rome" } },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_1", content: "rain" },
          { type: "tool_result", tool_use_id: "call_2", content: "sun" },
          { type: "text", text: "So?" },
        ],
      },
    ]);
  });

  test("comes back as it was, but for what the other format joins", () => {
    const back = translateRequest("messages", "chat", sent);
    expect(back).toEqual({ ...agentChat, stream_options: { include_usage: true } });
  });

  test("keeps cache marks and signed thinking", () => {
    const mark = { type: "ephemeral", ttl: "1h" };
    const thinking = { type: "thinking", thinking: "hm", signature: "c2ln" };
    const chat = {
      model: "m",
      messages: [
        { role: "system", content: [{ type: "text", text: "Long.", cache_control: mark }] },
        { role: "user", content: "q" },
        { role: "assistant", content: "a", reasoning: "hm", thinking_blocks: [thinking] },
        { role: "user", content: "q2", cache_control: mark },
      ],
    };
    const messages = translateRequest("chat", "messages", chat);
    expect(messages["system"]).toEqual([{ type: "text", text: "Long.", cache_control: mark }]);
    expect(messages["messages"]).toEqual([
      { role: "user", content: "q" },
      { role: "assistant", content: [thinking, { type: "text", text: "a" }] },
      { role: "user", content: [{ type: "text", text: "q2", cache_control: mark }] },
    ]);
    const back = translateRequest("messages", "chat", messages);
    expect(back["messages"]).toMatchObject([
      chat.messages[0],
      { role: "user", content: "q" },
      chat.messages[2],
      { role: "user", content: [{ type: "text", text: "q2", cache_control: mark }] },
    ] as object[]);
  });

  test("leaves unsigned thinking out, which the provider would refuse", () => {
    const { messages } = translateRequest("chat", "messages", {
      model: "m",
      messages: [
        { role: "user", content: "q" },
        { role: "assistant", content: "a", reasoning: "another model's" },
      ],
    });
    expect(messages).toEqual([
      { role: "user", content: "q" },
      { role: "assistant", content: [{ type: "text", text: "a" }] },
    ]);
  });

  test("keeps numbers that JavaScript cannot hold", () => {
    const body = parseExactJson(
      '{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\\"id\\":12345678901234567890}"}}]}],"x_engine":98765432109876543210}',
    ) as JsonObject;
    const text = JSON.stringify(translateRequest("chat", "messages", body));
    expect(text).toContain('"input":{"id":12345678901234567890}');
    expect(text).toContain('"x_engine":98765432109876543210');
    const again = translateRequest("messages", "chat", parseExactJson(text) as JsonObject);
    expect(JSON.stringify(again)).toContain('{\\"id\\":12345678901234567890}');
  });

  test.each([
    ["n", { n: 2 }],
    ["logprobs", { logprobs: true }],
    ["logit_bias", { logit_bias: { "50256": -100 } }],
    ["frequency_penalty", { frequency_penalty: 0.4 }],
    ["web_search_options", { web_search_options: {} }],
    ["functions", { functions: [{ name: "f" }] }],
    ["response_format.type", { response_format: { type: "json_object" } }],
    ["tools.0.type", { tools: [{ type: "custom", custom: { name: "x" } }] }],
    [
      "messages.0.content.0.type",
      { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: {} }] }] },
    ],
    [
      "messages.0.content.0.arguments",
      {
        messages: [
          { role: "assistant", tool_calls: [{ id: "c", function: { name: "f", arguments: "{" } }] },
        ],
      },
    ],
  ])("refuses %s by name when it would be lost", (field, members) => {
    const body = { model: "m", messages: [], ...members };
    expect(() => translateRequest("chat", "messages", body)).toThrow(`\`${field}\``);
  });

  test("leaves out hints and values that say nothing", () => {
    const hints = {
      n: 1,
      logprobs: false,
      presence_penalty: 0,
      seed: 7,
      store: true,
      logit_bias: {},
    };
    const sent = translateRequest("chat", "messages", { model: "m", messages: [], ...hints });
    for (const name of Object.keys(hints)) {
      expect(sent).not.toHaveProperty(name);
    }
  });

  test("marks conversations where nothing is cached without a mark, and no others", () => {
    const target = { ignoresUnknown: false, cachesOnlyMarked: true };
    const mark = { type: "ephemeral" };
    const markOf = (body: JsonObject) =>
      translateRequest("chat", "messages", { model: "m", ...body }, target)["cache_control"];
    const question = { role: "user", content: "q" };
    expect(markOf({ messages: [question] })).toBeUndefined();
    expect(markOf({ messages: [question, { role: "assistant", content: "a" }] })).toEqual(mark);
    expect(markOf({ messages: [question], tools: agentChat.tools })).toEqual(mark);
    const own = { role: "system", content: [{ type: "text", text: "s", cache_control: mark }] };
    expect(markOf({ messages: [own, question], tools: agentChat.tools })).toBeUndefined();
    expect(translateRequest("chat", "messages", agentChat)).not.toHaveProperty("cache_control");
  });

  test("tells efforts and schemas in the target's words", () => {
    const schema = { type: "object" };
    const sent = translateRequest("chat", "messages", {
      model: "m",
      messages: [],
      reasoning_effort: "minimal",
      response_format: { type: "json_schema", json_schema: { name: "n", schema } },
    });
    expect(sent["thinking"]).toEqual({ type: "adaptive" });
    expect(sent["output_config"]).toEqual({
      effort: "low",
      format: { type: "json_schema", schema },
    });
  });
});

describe("a messages request as chat", () => {
  test("says in words that a tool failed, and shows its images", () => {
    const { messages } = translateRequest("messages", "chat", {
      model: "m",
      max_tokens: 5,
      messages: [
        {
          role: "user",
          content: [
            {
              type: "tool_result",
              tool_use_id: "t1",
              is_error: true,
              content: [
                { type: "text", text: "no such page" },
                { type: "image", source: { type: "url", url: "https://example.com/b.png" } },
              ],
            },
          ],
        },
      ],
    });
    expect(messages).toEqual([
      { role: "tool", tool_call_id: "t1", content: "Error: no such page" },
      {
        role: "user",
        content: [{ type: "image_url", image_url: { url: "https://example.com/b.png" } }],
      },
    ]);
  });

  test("gives hosted providers no member that they would refuse", () => {
    const body = {
      model: "m",
      max_tokens: 5,
      system: [{ type: "text", text: "s", cache_control: { type: "ephemeral" } }],
      tools: [{ name: "f", input_schema: {}, cache_control: { type: "ephemeral" } }],
      messages: [{ role: "user", content: "q" }],
    };
    const sent = JSON.stringify(
      translateRequest("messages", "chat", body, { ignoresUnknown: false }),
    );
    expect(sent).not.toContain("cache_control");
    expect(JSON.stringify(translateRequest("messages", "chat", body))).toContain("cache_control");
    const withTopK = { ...body, top_k: 3 };
    expect(() => translateRequest("messages", "chat", withTopK, { ignoresUnknown: false })).toThrow(
      "top_k",
    );
  });

  test("has engines continue what the client put into the assistant's mouth", () => {
    const messages = [
      { role: "user", content: "q" },
      { role: "assistant", content: "The answer is (" },
    ];
    const body = { model: "m", max_tokens: 5, messages };
    const sent = translateRequest("messages", "chat", body);
    expect(sent).toMatchObject({ continue_final_message: true, add_generation_prompt: false });
    expect(translateRequest("chat", "messages", sent)).toEqual(body);
    for (const hosted of ["chat", "responses", "gemini"] as const) {
      expect(() => translateRequest("messages", hosted, body, { ignoresUnknown: false })).toThrow(
        "`messages`",
      );
    }
  });

  test("turns a budget of thinking into an effort", () => {
    const thinking = { type: "enabled", budget_tokens: 10_000 };
    const sent = translateRequest("messages", "chat", { max_tokens: 5, messages: [], thinking });
    expect(sent["reasoning_effort"]).toBe("medium");
  });

  test("refuses tools that only Anthropic runs", () => {
    const tools = [{ type: "web_search_20250305", name: "web_search" }];
    expect(() =>
      translateRequest("messages", "chat", { max_tokens: 5, messages: [], tools }),
    ).toThrow("tools.0.type");
  });
});

describe("whole answers", () => {
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude",
    content: [
      { type: "thinking", thinking: "hm", signature: "c2ln" },
      { type: "redacted_thinking", data: "c2VhbA==" },
      { type: "text", text: "Rain." },
      { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Oslo" } },
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
  const chat = translateAnswer("messages", "chat", message);

  test("of messages are chat completions", () => {
    expect(chat).toEqual({
      id: "msg_1",
      object: "chat.completion",
      created: 0,
      model: "claude",
      choices: [
        {
          index: 0,
          message: {
            role: "assistant",
            content: "Rain.",
            refusal: null,
            reasoning: "hm",
            thinking_blocks: [message.content[0], message.content[1]],
            tool_calls: [
              {
                id: "toolu_1",
                type: "function",
                function: { name: "weather", arguments: '{"city":"Oslo"}' },
              },
            ],
          },
          logprobs: null,
          finish_reason: "tool_calls",
        },
      ],
      usage: {
        prompt_tokens: 323,
        completion_tokens: 40,
        total_tokens: 363,
        prompt_tokens_details: { cached_tokens: 288, cache_write_tokens: 20 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
    });
  });

  test("come back as they were", () => {
    expect(translateAnswer("chat", "messages", chat)).toEqual(message);
  });

  test.each([
    ["stop", null, "end_turn", null],
    ["stop", "END", "stop_sequence", "END"],
    ["length", null, "max_tokens", null],
    ["content_filter", null, "refusal", null],
  ])("that end with %s and %p end with %s and %p", (reason, stopReason, told, sequence) => {
    const answer = translateAnswer("chat", "messages", {
      id: "1",
      choices: [{ message: { content: "x" }, finish_reason: reason, stop_reason: stopReason }],
    });
    expect(answer).toMatchObject({ stop_reason: told, stop_sequence: sequence });
  });

  test("with calls ended for them, whatever the engine says", () => {
    const tool_calls = [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }];
    const choices = [{ message: { content: null, tool_calls }, finish_reason: "stop" }];
    const answer = translateAnswer("chat", "messages", { id: "1", choices });
    expect(answer).toMatchObject({ stop_reason: "tool_use" });
  });

  test("that are none are the upstream's fault", () => {
    expect(() => translateAnswer("chat", "messages", { choices: [] })).toThrow("upstream");
    expect(() => translateAnswer("messages", "chat", {})).toThrow("upstream");
  });
});
