import { describe, expect, test } from "bun:test";
import { createStreamTranslator, translateAnswer, translateRequest } from "./index.ts";
import { eventsOf, translateStream, unnamed } from "./testing.ts";

/* Google's generateContent behind the clients' formats, in the documented shapes. */

const schema = { type: "object", properties: { city: { type: "string" } } };

describe("a request for Gemini", () => {
  const chat = {
    model: "gemini-3-pro",
    stream: true,
    temperature: 0.2,
    max_tokens: 100,
    seed: 7,
    stop: "END",
    reasoning_effort: "low",
    response_format: { type: "json_schema", json_schema: { name: "n", schema } },
    tools: [{ type: "function", function: { name: "weather", parameters: schema } }],
    tool_choice: { type: "function", function: { name: "weather" } },
    messages: [
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [
          { type: "text", text: "Where?" },
          { type: "image_url", image_url: { url: "data:image/png;base64,aGk=" } },
        ],
      },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "c1~U2ln", function: { name: "weather", arguments: '{"city":"Oslo"}' } },
          { id: "c2", function: { name: "weather", arguments: "{}" } },
        ],
      },
      { role: "tool", tool_call_id: "c1~U2ln", content: "rain" },
      { role: "tool", tool_call_id: "c2", content: "sun" },
    ],
  };
  const sent = translateRequest("chat", "gemini", chat);

  test("has settings, tools and system prompt under their names there", () => {
    const { contents, ...rest } = sent;
    expect(contents).toBeDefined();
    expect(rest).toEqual({
      systemInstruction: { parts: [{ text: "Be brief." }] },
      tools: [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: schema }] }],
      toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["weather"] } },
      generationConfig: {
        seed: 7,
        maxOutputTokens: 100,
        temperature: 0.2,
        stopSequences: ["END"],
        responseMimeType: "application/json",
        responseJsonSchema: schema,
        thinkingConfig: { includeThoughts: true, thinkingBudget: 2048 },
      },
    });
  });

  test("signs calls with what their ids carried, and names the function of each result", () => {
    const call = (id: string, args: object) => ({ functionCall: { id, name: "weather", args } });
    const result = (id: string, output: string) => ({
      functionResponse: { id, name: "weather", response: { output } },
    });
    expect(sent["contents"]).toEqual([
      {
        role: "user",
        parts: [{ text: "Where?" }, { inlineData: { mimeType: "image/png", data: "aGk=" } }],
      },
      {
        role: "model",
        parts: [{ ...call("c1", { city: "Oslo" }), thoughtSignature: "U2ln" }, call("c2", {})],
      },
      { role: "user", parts: [result("c1", "rain"), result("c2", "sun")] },
    ]);
  });

  test.each([
    ["gemini-3-pro", "skip_thought_signature_validator"],
    ["gemini-2.5-flash", undefined],
  ])("to %s says of a call that another model made: %p", (model, signature) => {
    const tool_calls = [{ id: "c", function: { name: "f", arguments: "{}" } }];
    const body = { model, messages: [{ role: "assistant", tool_calls }] };
    const { contents } = translateRequest("chat", "gemini", body);
    const [first] = contents as { parts: { thoughtSignature?: string }[] }[];
    expect(first?.parts[0]?.thoughtSignature).toBe(signature as string);
  });

  test("tells of messages that a tool failed", () => {
    const { contents } = translateRequest("messages", "gemini", {
      model: "gemini-2.5-pro",
      max_tokens: 9,
      messages: [
        { role: "assistant", content: [{ type: "tool_use", id: "t", name: "f", input: { a: 1 } }] },
        {
          role: "user",
          content: [{ type: "tool_result", tool_use_id: "t", content: "no", is_error: true }],
        },
      ],
    });
    expect(contents).toMatchObject([
      { role: "model" },
      { role: "user", parts: [{ functionResponse: { response: { error: "no" } } }] },
    ] as object[]);
  });

  test.each([
    ["parallel_tool_calls", { parallel_tool_calls: false, tools: chat.tools }],
    ["n", { n: 3 }],
    [
      "contents.0.parts.0.tool_call_id",
      { messages: [{ role: "tool", tool_call_id: "x", content: "" }] },
    ],
  ])("refuses %s by name", (field, members) => {
    const body = { model: "gemini-2.5-pro", messages: [], ...members };
    expect(() => translateRequest("chat", "gemini", body)).toThrow(`\`${field}\``);
  });
});

const usageMetadata = {
  promptTokenCount: 30,
  cachedContentTokenCount: 20,
  candidatesTokenCount: 6,
  thoughtsTokenCount: 4,
  totalTokenCount: 40,
};

describe("an answer of Gemini", () => {
  const answer = {
    responseId: "r1",
    modelVersion: "gemini-3-pro",
    candidates: [
      {
        index: 0,
        finishReason: "STOP",
        content: {
          role: "model",
          parts: [
            { text: "hm", thought: true },
            { text: "Ra" },
            { text: "in." },
            { functionCall: { name: "f", args: { a: 1 } }, thoughtSignature: "U2ln" },
          ],
        },
      },
    ],
    usageMetadata,
  };

  test("is a chat completion whose call carries its signature", () => {
    expect(translateAnswer("gemini", "chat", answer)).toMatchObject({
      model: "gemini-3-pro",
      choices: [
        {
          finish_reason: "tool_calls",
          message: {
            content: "Rain.",
            reasoning: "hm",
            tool_calls: [{ id: "call_r1_3~U2ln", function: { name: "f", arguments: '{"a":1}' } }],
          },
        },
      ],
      usage: {
        prompt_tokens: 30,
        completion_tokens: 10,
        total_tokens: 40,
        prompt_tokens_details: { cached_tokens: 20 },
        completion_tokens_details: { reasoning_tokens: 4 },
      },
    });
  });

  test.each([
    ["MAX_TOKENS", "length"],
    ["SAFETY", "content_filter"],
  ])("that ended with %s ended with %s", (finishReason, told) => {
    const body = { candidates: [{ finishReason, content: { parts: [{ text: "x" }] } }] };
    expect(translateAnswer("gemini", "chat", body)).toMatchObject({
      choices: [{ finish_reason: told }],
    });
  });

  test("whose prompt was blocked is a refusal; one that was given up is a failure", () => {
    const blocked = { promptFeedback: { blockReason: "SAFETY" } };
    expect(translateAnswer("gemini", "messages", blocked)).toMatchObject({
      stop_reason: "refusal",
    });
    const givenUp = { candidates: [{ finishReason: "MALFORMED_FUNCTION_CALL" }] };
    expect(() => translateAnswer("gemini", "chat", givenUp)).toThrow("gave the answer up");
    expect(() => translateAnswer("gemini", "chat", {})).toThrow("finish reason");
  });
});

describe("a stream of Gemini", () => {
  const event = (parts: readonly object[], more: object = {}) => ({
    responseId: "r1",
    modelVersion: "gemini-3-pro",
    candidates: [{ index: 0, content: { role: "model", parts }, ...more }],
    usageMetadata,
  });
  const stream = unnamed([
    event([{ text: "hm", thought: true, thoughtSignature: "VGg=" }]),
    event([{ text: "Grü" }]),
    event([{ text: "ße" }]),
    event([{ functionCall: { id: "x", name: "f", args: { a: 1 } }, thoughtSignature: "U2ln" }], {
      finishReason: "STOP",
    }),
  ]);

  test("is a chat stream that ends where its bytes do", () => {
    const chat = translateStream("gemini", "chat", stream);
    expect(eventsOf(chat)).toMatchObject([
      { choices: [{ delta: { role: "assistant", reasoning: "hm" } }] },
      { choices: [{ delta: { thinking_blocks: [{ signature: "gemini:VGg=" }] } }] },
      { choices: [{ delta: { content: "Grü" } }] },
      { choices: [{ delta: { content: "ße" } }] },
      {
        choices: [{ delta: { tool_calls: [{ index: 0, id: "x~U2ln", function: { name: "f" } }] } }],
      },
      { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] } }] },
      { choices: [{ finish_reason: "tool_calls" }] },
      { choices: [], usage: { prompt_tokens: 30, completion_tokens: 10 } },
      "[DONE]",
    ] as object[]);
    for (const pieceBytes of [1, 2, 7, 100]) {
      expect(translateStream("gemini", "chat", stream, pieceBytes)).toBe(chat);
    }
  });

  test("cut before its finish reason has no end", () => {
    const bytes = Buffer.from(stream);
    for (let length = 0; length < bytes.length; length += 17) {
      const translator = createStreamTranslator("gemini", "chat");
      translator.push(bytes.subarray(0, length));
      expect(translator.end().length).toBe(0);
    }
  });

  test("hands its error on", () => {
    const error = { code: 503, message: "overloaded", status: "UNAVAILABLE" };
    expect(eventsOf(translateStream("gemini", "chat", unnamed([{ error }])))).toEqual([
      { error: { message: "overloaded", type: "UNAVAILABLE", param: null, code: "503" } },
    ]);
  });
});
