import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import OpenAI from "openai";
import { type FakeEngine, startTestProxy, type TestProxy, testKey } from "../../testing/index.ts";
import { offers, saidText, startScriptedEngine, toolArguments } from "./scripted-engine.ts";

/* Goal: OpenAI's own client runs unchanged, on chats and on responses. */

let engine: FakeEngine;
let proxy: TestProxy;
let client: OpenAI;

function clientOf(apiKey: string): OpenAI {
  return new OpenAI({ apiKey, baseURL: `${proxy.url}/v1`, maxRetries: 0 });
}

const model = "tiny";
const parameters = { type: "object", properties: { expression: { type: "string" } } };
const says = (content: string) => [{ role: "user" as const, content }];

async function errorOf(
  ask: () => PromiseLike<unknown>,
): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await ask();
  } catch (error) {
    if (error instanceof OpenAI.APIError) {
      return error;
    }
    throw error;
  }
  throw new Error("nothing was refused");
}

async function untilLeft(before: number): Promise<boolean> {
  for (let round = 0; round < 200 && engine.left === before; round += 1) {
    await Bun.sleep(10);
  }
  return engine.left > before;
}

for (const [title, only] of Object.entries(offers)) {
  describe(`before an engine with ${title}`, () => {
    beforeAll(async () => {
      engine = startScriptedEngine(only);
      proxy = await startTestProxy([engine]);
      client = clientOf(testKey);
    });

    afterAll(async () => {
      await proxy.close();
      await engine.stop();
    });

    describe("the openai client on chat completions", () => {
      const tools = [{ type: "function" as const, function: { name: "calculator", parameters } }];

      test("gets a whole answer with usage and our ids", async () => {
        const asked = client.chat.completions.create({ model, messages: says("hi") });
        const { data, response, request_id } = await asked.withResponse();
        expect(data.choices[0]?.message.content).toBe(saidText);
        expect(data.usage?.prompt_tokens_details?.cached_tokens).toBe(8);
        expect(request_id).toBe(response.headers.get("x-request-id"));
        expect(request_id).toMatch(/^req_/);
      });

      test("streams, every character intact", async () => {
        const stream = client.chat.completions.stream({ model, messages: says("hi") });
        expect((await stream.finalMessage()).content).toBe(saidText);
      });

      test("gets a tool call whole and in pieces, and sends its result", async () => {
        const ask = { model, messages: says("hi"), tools };
        const first = await client.chat.completions.create(ask);
        const call = first.choices[0]?.message.tool_calls?.[0];
        const streamed = await client.chat.completions.stream(ask).finalMessage();
        const pieces = streamed.tool_calls?.[0];
        for (const each of [call, pieces]) {
          expect(each?.type === "function" && JSON.parse(each.function.arguments)).toEqual(
            toolArguments,
          );
        }
        const messages = [
          ...ask.messages,
          first.choices[0]?.message ?? { role: "assistant" as const, content: "" },
          { role: "tool" as const, tool_call_id: call?.id ?? "", content: "2" },
        ];
        const last = await client.chat.completions.create({ ...ask, messages });
        expect(last.choices[0]?.message.content).toBe(saidText);
      });

      test("sends fields that it does not know itself", async () => {
        const extra = { guided_choice: ["a"], x_unknown: { deep: [1] } };
        await client.chat.completions.create({ model, messages: says("hi"), ...extra });
        expect(JSON.parse(engine.seen.at(-1)?.body ?? "")).toMatchObject(extra);
      });

      test("leaves the engine when its caller stops reading", async () => {
        const before = engine.left;
        const stream = await client.chat.completions.create({
          model,
          messages: says("slow"),
          stream: true,
        });
        for await (const _chunk of stream) {
          break;
        }
        expect(await untilLeft(before)).toBe(true);
      });
    });

    describe("the openai client on responses", () => {
      const tools = [{ type: "function" as const, name: "calculator", parameters, strict: false }];

      test("gets a whole answer with usage", async () => {
        const answer = await client.responses.create({ model, input: "hi" });
        expect(answer.output_text).toBe(saidText);
        expect(answer.usage?.input_tokens_details.cached_tokens).toBe(8);
        expect(answer._request_id).toMatch(/^req_/);
      });

      test("streams to its end", async () => {
        const stream = client.responses.stream({ model, input: "hi" });
        expect((await stream.finalResponse()).output_text).toBe(saidText);
      });

      test("gets a tool call, and sends its result", async () => {
        const answer = await client.responses.stream({ model, input: "hi", tools }).finalResponse();
        const call = answer.output[0];
        expect(call?.type === "function_call" && JSON.parse(call.arguments)).toEqual(toolArguments);
        const input: OpenAI.Responses.ResponseInput = [
          { role: "user", content: "hi" },
          { type: "function_call", call_id: "call_1", name: "calculator", arguments: "{}" },
          { type: "function_call_output", call_id: "call_1", output: "2" },
        ];
        const last = await client.responses.create({ model, input, tools });
        expect(last.output_text).toBe(saidText);
      });

      test("raises where a stream is cut in the middle", async () => {
        const stream = await client.responses.create({ model, input: "broken", stream: true });
        const error = await errorOf(async () => {
          for await (const _event of stream) {
            // Every event up to the cut.
          }
        });
        expect(error.message).toContain("ended before its answer did");
      });

      test("is told that nothing is stored", async () => {
        for (const ask of [
          () => client.responses.retrieve("resp_1"),
          () => client.responses.delete("resp_1"),
          () => client.responses.cancel("resp_1"),
          () => client.responses.inputItems.list("resp_1"),
        ]) {
          expect(await errorOf(ask)).toBeInstanceOf(OpenAI.NotFoundError);
        }
        const previous = { model, input: "hi", previous_response_id: "resp_1" };
        const error = await errorOf(() => client.responses.create(previous));
        expect(error).toBeInstanceOf(OpenAI.BadRequestError);
        expect(error.param).toBe("previous_response_id");
      });
    });

    describe("the openai client", () => {
      if (only === undefined) {
        test("completes a text, whole and streamed", async () => {
          const whole = await client.completions.create({ model, prompt: "hi" });
          expect(whole.choices[0]?.text).toBe(saidText);
          const stream = await client.completions.create({ model, prompt: "hi", stream: true });
          let text = "";
          for await (const chunk of stream) {
            text += chunk.choices[0]?.text ?? "";
          }
          expect(text).toBe(saidText);
        });
      }

      test("lists models, finds one, and embeds where the engine can", async () => {
        expect((await client.models.list()).data.map(({ id }) => id)).toEqual([model]);
        expect((await client.models.retrieve(model)).id).toBe(model);
        if (only !== undefined) {
          return;
        }
        const embedded = await client.embeddings.create({
          model,
          input: "hi",
          encoding_format: "float",
        });
        expect(embedded.data[0]?.embedding).toEqual([0.25, -0.5]);
      });

      test("raises the class of each error", async () => {
        proxy.keys.set("wp-one-a-minute", 1);
        const limited = clientOf("wp-one-a-minute");
        const ask = { model, messages: says("hi") };
        await limited.chat.completions.create(ask);
        const cases = [
          [() => clientOf("wrong").chat.completions.create(ask), OpenAI.AuthenticationError, 401],
          [
            () => client.chat.completions.create({ ...ask, model: "nobody" }),
            OpenAI.NotFoundError,
            404,
          ],
          [() => client.models.retrieve("nobody"), OpenAI.NotFoundError, 404],
          [
            () => client.chat.completions.create({ ...ask, messages: says("refused") }),
            OpenAI.BadRequestError,
            400,
          ],
          [() => client.responses.create({ model, input: "refused" }), OpenAI.BadRequestError, 400],
          [() => limited.chat.completions.create(ask), OpenAI.RateLimitError, 429],
          [
            () => client.responses.create({ model, input: "busy" }),
            OpenAI.InternalServerError,
            503,
          ],
        ] as const;
        for (const [failing, kind, status] of cases) {
          const error = await errorOf(failing);
          expect(error).toBeInstanceOf(kind);
          expect(error.status).toBe(status);
          expect(error.message.length).toBeGreaterThan(10);
          expect(error.requestID).toMatch(/^req_/);
          expect(error.headers?.has("retry-after") === true).toBe(status === 429 || status === 503);
        }
      });
    });
  });
}
