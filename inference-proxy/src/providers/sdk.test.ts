import { afterEach, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { providerKey, startFakeProvider } from "../testing/fake-provider.ts";
import { startTestProxy, streamOf, testKey } from "../testing/index.ts";
import { named, unnamed } from "./translate/testing.ts";

/*
 * Goal: the official clients run unchanged before a provider of another API, thinking, calls and
 * their proofs included, over two turns. Method: their stream helpers, whose sums are the check.
 */

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await each.close();
  }
});

async function start(kind: "anthropic" | "gemini", events: string) {
  const provider = startFakeProvider();
  provider.answer = () => streamOf([events]);
  const proxy = await startTestProxy(
    [],
    { providers: [`${kind}=${provider.url} key-env=KEY models=m`] },
    { secrets: { KEY: providerKey } },
  );
  opened.push(provider, proxy);
  const sent = (): unknown => JSON.parse(provider.seen.at(-1)?.body ?? "");
  return {
    sent,
    openai: new OpenAI({ apiKey: testKey, baseURL: `${proxy.url}/v1`, maxRetries: 0 }),
    anthropic: new Anthropic({ apiKey: testKey, authToken: null, baseURL: proxy.url }),
  };
}

const blockStart = (index: number, content_block: object) => ({
  type: "content_block_start",
  index,
  content_block,
});
const blockDelta = (index: number, delta: object) => ({
  type: "content_block_delta",
  index,
  delta,
});
const blockStop = (index: number) => ({ type: "content_block_stop", index });

const messages = named([
  {
    type: "message_start",
    message: { id: "msg_1", model: "m", usage: { input_tokens: 5, cache_read_input_tokens: 7 } },
  },
  blockStart(0, { type: "thinking", thinking: "", signature: "" }),
  blockDelta(0, { type: "thinking_delta", thinking: "hm" }),
  blockDelta(0, { type: "signature_delta", signature: "c2ln" }),
  blockStop(0),
  blockStart(1, { type: "text", text: "" }),
  blockDelta(1, { type: "text_delta", text: "I look." }),
  blockStop(1),
  blockStart(2, { type: "tool_use", id: "t1", name: "look", input: {} }),
  blockDelta(2, { type: "input_json_delta", partial_json: '{"at":' }),
  blockDelta(2, { type: "input_json_delta", partial_json: "1}" }),
  blockStop(2),
  { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 9 } },
  { type: "message_stop" },
]);

const contents = unnamed([
  {
    responseId: "r",
    modelVersion: "m",
    candidates: [{ content: { parts: [{ text: "I look." }] } }],
  },
  {
    responseId: "r",
    candidates: [
      {
        content: {
          parts: [{ functionCall: { name: "look", args: { at: 1 } }, thoughtSignature: "U2ln" }],
        },
        finishReason: "STOP",
      },
    ],
    usageMetadata: { promptTokenCount: 12, candidatesTokenCount: 9 },
  },
]);

const parameters = { type: "object" as const, properties: { at: { type: "number" } } };

describe("the openai client before Anthropic", () => {
  test("sums a stream of chat completions up, and sends thinking and call back", async () => {
    const { openai, sent } = await start("anthropic", messages);
    const tools = [{ type: "function" as const, function: { name: "look", parameters } }];
    const question = { role: "user" as const, content: "where?" };
    const chat = await openai.chat.completions
      .stream({
        model: "m",
        messages: [question],
        tools,
        stream_options: { include_usage: true },
      })
      .finalChatCompletion();
    const [choice] = chat.choices;
    expect(choice).toMatchObject({
      finish_reason: "tool_calls",
      message: {
        content: "I look.",
        tool_calls: [{ id: "t1", function: { name: "look", arguments: '{"at":1}' } }],
      },
    });
    expect(chat.usage).toMatchObject({ prompt_tokens: 12, completion_tokens: 9 });
    if (choice === undefined) {
      throw new Error("there is a choice");
    }
    const result = { role: "tool" as const, tool_call_id: "t1", content: "here" };
    const second = { model: "m", messages: [question, choice.message, result], tools };
    await openai.chat.completions.stream(second).finalChatCompletion();
    expect(sent()).toMatchObject({
      messages: [
        { role: "user", content: "where?" },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "hm", signature: "c2ln" },
            { type: "text", text: "I look." },
            { type: "tool_use", id: "t1", name: "look", input: { at: 1 } },
          ],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "t1", content: "here" }] },
      ],
    });
  });

  test("sums a stream of responses up, and sends its items back", async () => {
    const { openai, sent } = await start("anthropic", messages);
    const response = await openai.responses.stream({ model: "m", input: "where?" }).finalResponse();
    expect(response.output_text).toBe("I look.");
    expect(response.output.map(({ type }) => type)).toEqual([
      "reasoning",
      "message",
      "function_call",
    ]);
    const result = { type: "function_call_output" as const, call_id: "t1", output: "here" };
    const said = { role: "user" as const, content: "where?" };
    const input = [said, ...(response.output as OpenAI.Responses.ResponseInputItem[]), result];
    await openai.responses.stream({ model: "m", input }).finalResponse();
    expect(sent()).toMatchObject({
      messages: [
        {},
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "hm", signature: "c2ln" },
            { type: "text", text: "I look." },
            { type: "tool_use", id: "t1" },
          ],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "t1" }] },
      ],
    });
  });
});

describe("the anthropic client before Gemini", () => {
  test("sums a stream up, and sends a signed call back", async () => {
    const { anthropic, sent } = await start("gemini", contents);
    const tools = [{ name: "look", input_schema: parameters }];
    const question = { role: "user" as const, content: "where?" };
    const asked = { model: "m", max_tokens: 50, tools };
    const message = await anthropic.messages
      .stream({ ...asked, messages: [question] })
      .finalMessage();
    expect(message).toMatchObject({
      stop_reason: "tool_use",
      content: [
        { type: "text", text: "I look." },
        { type: "tool_use", name: "look", input: { at: 1 } },
      ],
      usage: { input_tokens: 12, output_tokens: 9 },
    });
    const [, call] = message.content;
    if (call?.type !== "tool_use") {
      throw new Error("there is a call");
    }
    const result = { type: "tool_result" as const, tool_use_id: call.id, content: "here" };
    const turns = [
      question,
      { role: "assistant" as const, content: message.content },
      { role: "user" as const, content: [result] },
    ];
    await anthropic.messages.stream({ ...asked, messages: turns }).finalMessage();
    expect(sent()).toMatchObject({
      contents: [
        { role: "user" },
        {
          role: "model",
          parts: [
            { text: "I look." },
            { functionCall: { name: "look", args: { at: 1 } }, thoughtSignature: "U2ln" },
          ],
        },
        {
          role: "user",
          parts: [{ functionResponse: { name: "look", response: { output: "here" } } }],
        },
      ],
    });
  });
});
