import { beforeAll, describe, expect, test } from "bun:test";
import OpenAI from "openai";
import { sharedSystem } from "./shared-system.ts";
import { topology } from "./system.ts";

const timeoutMs = 60_000;

const weather: OpenAI.ChatCompletionTool = {
  type: "function",
  function: {
    name: "calculator",
    description: "Evaluates an arithmetic expression.",
    parameters: {
      type: "object",
      properties: { expression: { type: "string" } },
      required: ["expression"],
      additionalProperties: false,
    },
  },
};

describe(`the official openai client, unchanged, against the proxy on ${topology}`, () => {
  let client: OpenAI;
  let model: string;

  beforeAll(async () => {
    const system = await sharedSystem();
    client = new OpenAI({ apiKey: system.key, baseURL: `${system.proxyUrl}/v1`, maxRetries: 0 });
    const models = await client.models.list();
    model = models.data[0]?.id ?? "";
  }, timeoutMs);

  test("lists models and retrieves one", async () => {
    expect(model).not.toBe("");
    expect((await client.models.retrieve(model)).id).toBe(model);
  });

  test("completes a chat that is not streamed, with usage", async () => {
    const { data, response } = await client.chat.completions
      .create({ model, messages: [{ role: "user", content: "Say hello." }] })
      .withResponse();
    expect(data.choices[0]?.message.content?.length).toBeGreaterThan(0);
    expect(data.choices[0]?.finish_reason).toBe("stop");
    expect(data.usage?.total_tokens).toBeGreaterThan(0);
    expect(response.headers.get("x-request-id")).not.toBeNull();
    expect(response.headers.get("x-warmpath-replica")).not.toBeNull();
  });

  test("streams a chat, with no usage chunk unless it was asked for", async () => {
    const messages = [{ role: "user" as const, content: "Say hello." }];
    const usageChunks = async (ask: boolean) => {
      const stream = await client.chat.completions.create({
        model,
        messages,
        stream: true,
        ...(ask ? { stream_options: { include_usage: true } } : {}),
      });
      let text = "";
      let usages = 0;
      let finish = "";
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        finish = chunk.choices[0]?.finish_reason ?? finish;
        usages += chunk.usage ? 1 : 0;
      }
      expect(text.length).toBeGreaterThan(0);
      expect(finish).toBe("stop");
      return usages;
    };
    expect(await usageChunks(false)).toBe(0);
    expect(await usageChunks(true)).toBe(1);
  });

  test("calls a tool and takes its result, streamed and not", async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: "user", content: "What is 12345 * 678?" },
    ];
    const first = await client.chat.completions.create({ model, messages, tools: [weather] });
    const call = first.choices[0]?.message.tool_calls?.[0];
    expect(first.choices[0]?.finish_reason).toBe("tool_calls");
    expect(call?.type === "function" && call.function.name).toBe("calculator");
    const answer = await client.chat.completions
      .stream({
        model,
        tools: [weather],
        messages: [
          ...messages,
          first.choices[0]?.message ?? { role: "assistant", content: "" },
          { role: "tool", tool_call_id: call?.id ?? "", content: '{"result":"8369910"}' },
        ],
      })
      .finalChatCompletion();
    expect(answer.choices[0]?.message.content).toContain("8369910");
  });

  test(
    "runs its own tool loop to the end",
    async () => {
      const runner = client.chat.completions.runTools({
        model,
        stream: true,
        messages: [{ role: "user", content: "What is 12345 * 678?" }],
        tools: [
          {
            type: "function",
            function: {
              name: "calculator",
              description: "Evaluates an arithmetic expression.",
              parse: JSON.parse,
              function: () => '{"result":"8369910"}',
              parameters: { type: "object", properties: { expression: { type: "string" } } },
            },
          },
        ],
      });
      expect(await runner.finalContent()).toContain("8369910");
    },
    timeoutMs,
  );

  test("gets typed errors: wrong key, unknown model, bad request", async () => {
    const system = await sharedSystem();
    const wrong = new OpenAI({ apiKey: "wrong", baseURL: `${system.proxyUrl}/v1`, maxRetries: 0 });
    const ask = { model, messages: [{ role: "user" as const, content: "hi" }] };
    const kindOf = async (client: OpenAI, change: object): Promise<unknown> => {
      try {
        await client.chat.completions.create({ ...ask, ...change });
        return undefined;
      } catch (error) {
        return error instanceof Error ? error.constructor : error;
      }
    };
    expect(await kindOf(wrong, {})).toBe(OpenAI.AuthenticationError);
    expect(await kindOf(client, { model: "no-such-model" })).toBe(OpenAI.NotFoundError);
    expect(await kindOf(client, { max_tokens: -1 })).toBe(OpenAI.BadRequestError);
  });
});
