import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import Anthropic from "@anthropic-ai/sdk";
import { type FakeEngine, startTestProxy, type TestProxy, testKey } from "../../testing/index.ts";
import { offers, saidText, startScriptedEngine, toolArguments } from "./scripted-engine.ts";

/* Goal: Anthropic's own client runs unchanged. */

let engine: FakeEngine;
let proxy: TestProxy;
let client: Anthropic;

function clientOf(apiKey: string): Anthropic {
  return new Anthropic({ apiKey, authToken: null, baseURL: proxy.url, maxRetries: 0 });
}

const ask = {
  model: "tiny",
  max_tokens: 100,
  messages: [{ role: "user" as const, content: "hi" }],
};
const tools = [
  {
    name: "calculator",
    input_schema: { type: "object" as const, properties: { expression: { type: "string" } } },
  },
];

async function errorOf(
  failing: () => PromiseLike<unknown>,
): Promise<InstanceType<typeof Anthropic.APIError>> {
  try {
    await failing();
  } catch (error) {
    if (error instanceof Anthropic.APIError) {
      return error;
    }
    throw error;
  }
  throw new Error("nothing was refused");
}

for (const [title, only] of Object.entries(offers)) {
  describe(`the anthropic client before an engine with ${title}`, () => {
    beforeAll(async () => {
      engine = startScriptedEngine(only);
      proxy = await startTestProxy([engine]);
      client = clientOf(testKey);
    });

    afterAll(async () => {
      await proxy.close();
      await engine.stop();
    });

    test("gets a whole message with usage and our id", async () => {
      const message = await client.messages.create(ask);
      expect(message.content).toMatchObject([{ type: "text", text: saidText }]);
      expect(message.usage).toMatchObject({ input_tokens: 4, cache_read_input_tokens: 8 });
      expect(message._request_id).toMatch(/^req_/);
    });

    test("works with a bearer token as with a key", async () => {
      const bearer = new Anthropic({ apiKey: null, authToken: testKey, baseURL: proxy.url });
      expect((await bearer.messages.create(ask)).stop_reason).toBe("end_turn");
    });

    test("streams, every character intact", async () => {
      const stream = client.messages.stream(ask);
      const message = await stream.finalMessage();
      expect(message.content).toMatchObject([{ type: "text", text: saidText }]);
      expect(message.usage).toMatchObject({ input_tokens: 4, output_tokens: 2 });
      expect(stream.request_id).toMatch(/^req_/);
    });

    test("gets a tool call whole and in pieces, and sends its result", async () => {
      const whole = await client.messages.create({ ...ask, tools });
      const streamed = await client.messages.stream({ ...ask, tools }).finalMessage();
      for (const { content, stop_reason } of [whole, streamed]) {
        expect(stop_reason).toBe("tool_use");
        expect(content).toMatchObject([{ type: "tool_use", input: toolArguments }]);
      }
      const last = await client.messages.create({
        ...ask,
        tools,
        messages: [
          ...ask.messages,
          { role: "assistant", content: whole.content },
          {
            role: "user",
            content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "2" }],
          },
        ],
      });
      expect(last.content).toMatchObject([{ type: "text", text: saidText }]);
    });

    test("counts tokens, by an estimate where the engine cannot", async () => {
      const { model, messages } = ask;
      const { input_tokens } = await client.messages.countTokens({ model, messages });
      expect(input_tokens).toBeGreaterThan(0);
      expect(only !== undefined || input_tokens === 12).toBe(true);
    });

    test("lists models, and uses beta headers", async () => {
      expect((await client.models.list()).data.map(({ id }) => id)).toEqual(["tiny"]);
      expect((await client.models.retrieve("tiny")).display_name).toBe("tiny");
      const beta = await client.beta.messages.create({ ...ask, betas: ["context-1m-2025-08-07"] });
      expect(beta.stop_reason).toBe("end_turn");
    });

    test("sends fields that it does not know itself", async () => {
      await client.messages.create({ ...ask, ...{ x_unknown: { deep: [1] } } });
      expect(JSON.parse(engine.seen.at(-1)?.body ?? "")).toMatchObject({
        x_unknown: { deep: [1] },
      });
    });

    test("leaves the engine when its caller stops reading", async () => {
      const before = engine.left;
      const messages = [{ role: "user" as const, content: "slow" }];
      const stream = await client.messages.create({ ...ask, messages, stream: true });
      for await (const _event of stream) {
        break;
      }
      for (let round = 0; round < 200 && engine.left === before; round += 1) {
        await Bun.sleep(10);
      }
      expect(engine.left).toBeGreaterThan(before);
    });

    test("raises where a stream is cut in the middle", async () => {
      const messages = [{ role: "user" as const, content: "broken" }];
      const error = await errorOf(() =>
        client.messages.stream({ ...ask, messages }).finalMessage(),
      );
      expect(error.message).toContain("ended before its answer did");
    });

    test("raises the class of each error", async () => {
      proxy.keys.set("wp-one-a-minute", 1);
      const limited = clientOf("wp-one-a-minute");
      await limited.messages.create(ask);
      const refused = [{ role: "user" as const, content: "refused" }];
      const busy = [{ role: "user" as const, content: "busy" }];
      const cases = [
        [() => clientOf("wrong").messages.create(ask), Anthropic.AuthenticationError, 401],
        [() => client.messages.create({ ...ask, model: "nobody" }), Anthropic.NotFoundError, 404],
        [() => client.models.retrieve("nobody"), Anthropic.NotFoundError, 404],
        [
          () => client.messages.create({ ...ask, messages: refused }),
          Anthropic.BadRequestError,
          400,
        ],
        [() => limited.messages.create(ask), Anthropic.RateLimitError, 429],
        [
          () => client.messages.create({ ...ask, messages: busy }),
          Anthropic.InternalServerError,
          503,
        ],
      ] as const;
      for (const [failing, kind, status] of cases) {
        const error = await errorOf(failing);
        expect(error).toBeInstanceOf(kind);
        expect(error.status).toBe(status);
        expect(error.requestID).toMatch(/^req_/);
        expect(error.headers?.has("retry-after") === true).toBe(status === 429 || status === 503);
      }
    });
  });
}
