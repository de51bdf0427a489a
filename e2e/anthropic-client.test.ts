import { beforeAll, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { sharedSystem } from "./shared-system.ts";
import { topology } from "./system.ts";

const timeoutMs = 60_000;

const tools: Anthropic.Tool[] = [
  {
    name: "calculator",
    description: "Evaluates an arithmetic expression.",
    input_schema: {
      type: "object",
      properties: { expression: { type: "string" } },
      required: ["expression"],
    },
  },
];

describe(`the other official clients, unchanged, against the proxy on ${topology}`, () => {
  let client: Anthropic;
  let openai: OpenAI;
  let model: string;

  beforeAll(async () => {
    const { key, proxyUrl } = await sharedSystem();
    client = new Anthropic({ apiKey: key, authToken: null, baseURL: proxyUrl, maxRetries: 0 });
    openai = new OpenAI({ apiKey: key, baseURL: `${proxyUrl}/v1`, maxRetries: 0 });
    model = (await client.models.list()).data[0]?.id ?? "";
  }, timeoutMs);

  test("anthropic's gets a message whole and streamed, with usage, and counts its tokens", async () => {
    const ask = {
      model,
      max_tokens: 200,
      messages: [{ role: "user" as const, content: "Hello." }],
    };
    const whole = await client.messages.create(ask);
    const streamed = await client.messages.stream(ask).finalMessage();
    for (const { content, usage, stop_reason } of [whole, streamed]) {
      expect(content[0]?.type === "text" && content[0].text.length).toBeGreaterThan(0);
      expect(usage.input_tokens + (usage.cache_read_input_tokens ?? 0)).toBeGreaterThan(0);
      expect(usage.output_tokens).toBeGreaterThan(0);
      expect(stop_reason).toBe("end_turn");
    }
    const { messages } = ask;
    const counted = await client.messages.countTokens({ model, messages });
    expect(counted.input_tokens).toBeGreaterThan(0);
  });

  test("anthropic's calls a tool and takes its result", async () => {
    const messages: Anthropic.MessageParam[] = [{ role: "user", content: "What is 12345 * 678?" }];
    const ask = { model, max_tokens: 400, tools };
    const first = await client.messages.stream({ ...ask, messages }).finalMessage();
    expect(first.stop_reason).toBe("tool_use");
    const call = first.content.find((block) => block.type === "tool_use");
    expect(call?.name).toBe("calculator");
    const result: Anthropic.ToolResultBlockParam = {
      type: "tool_result",
      tool_use_id: call?.id ?? "",
      content: '{"result":"8369910"}',
    };
    const last = await client.messages.create({
      ...ask,
      messages: [
        ...messages,
        { role: "assistant", content: first.content },
        { role: "user", content: [result] },
      ],
    });
    const [text] = last.content;
    expect(text?.type === "text" ? text.text : "").toContain("8369910");
  });

  test("openai's gets a response whole and streamed", async () => {
    const whole = await openai.responses.create({ model, input: "Hello." });
    const streamed = await openai.responses.stream({ model, input: "Hello." }).finalResponse();
    for (const { output_text, usage } of [whole, streamed]) {
      expect(output_text.length).toBeGreaterThan(0);
      expect(usage?.output_tokens).toBeGreaterThan(0);
    }
  });

  test("anthropic's gets typed errors: wrong key, unknown model, bad request", async () => {
    const { proxyUrl } = await sharedSystem();
    const wrong = new Anthropic({ apiKey: "wrong", baseURL: proxyUrl, maxRetries: 0 });
    const ask = { model, max_tokens: 10, messages: [{ role: "user" as const, content: "hi" }] };
    const kindOf = async (client: Anthropic, change: object): Promise<unknown> => {
      try {
        await client.messages.create({ ...ask, ...change });
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.constructor : error;
      }
    };
    expect(await kindOf(wrong, {})).toBe(Anthropic.AuthenticationError);
    expect(await kindOf(client, { model: "no-such-model" })).toBe(Anthropic.NotFoundError);
    expect(await kindOf(client, { max_tokens: -1 })).toBe(Anthropic.BadRequestError);
  });
});
