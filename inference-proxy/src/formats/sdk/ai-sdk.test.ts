import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { type FakeEngine, startTestProxy, type TestProxy, testKey } from "../../testing/index.ts";
import { offers, saidText, startScriptedEngine, toolArguments } from "./scripted-engine.ts";

/* Goal: Vercel's AI SDK runs unchanged over each of its three ways to such a server. */

// Its warnings are about model names that it does not know.
globalThis.AI_SDK_LOG_WARNINGS = false;

let engine: FakeEngine;
let proxy: TestProxy;

/** A model by each provider of the SDK. */
const providers = {
  "openai-compatible": (apiKey: string, model: string) =>
    createOpenAICompatible({
      name: "warmpath",
      apiKey,
      baseURL: `${proxy.url}/v1`,
      includeUsage: true,
    })(model),
  "openai, on responses": (apiKey: string, model: string) =>
    createOpenAI({ apiKey, baseURL: `${proxy.url}/v1` })(model),
  anthropic: (apiKey: string, model: string) =>
    createAnthropic({ apiKey, baseURL: `${proxy.url}/v1` })(model),
};

const tools = {
  calculator: tool({
    description: "Evaluates an expression.",
    inputSchema: jsonSchema<{ expression: string }>({
      type: "object",
      properties: { expression: { type: "string" } },
      required: ["expression"],
    }),
    execute: ({ expression }) => `${expression} = 2`,
  }),
};

for (const [title, only] of Object.entries(offers)) {
  describe(`before an engine with ${title}`, () => {
    beforeAll(async () => {
      engine = startScriptedEngine(only);
      proxy = await startTestProxy([engine]);
    });

    afterAll(async () => {
      await proxy.close();
      await engine.stop();
    });

    for (const [name, modelOf] of Object.entries(providers)) {
      describe(`the ai sdk by ${name}`, () => {
        const ask = (prompt = "hi") => ({ model: modelOf(testKey, "tiny"), prompt, maxRetries: 0 });

        test("gets a whole text with usage", async () => {
          const { text, usage, finishReason } = await generateText(ask());
          expect(text).toBe(saidText);
          expect(finishReason).toBe("stop");
          expect(usage.inputTokens).toBe(12);
          expect(usage.inputTokenDetails.cacheReadTokens).toBe(8);
          expect(usage.outputTokens).toBe(2);
        });

        test("streams a text to its end", async () => {
          const { textStream, usage } = streamText(ask());
          let text = "";
          for await (const piece of textStream) {
            text += piece;
          }
          expect(text).toBe(saidText);
          expect((await usage).outputTokens).toBe(2);
        });

        test("runs a tool and goes on with its result, streamed or not", async () => {
          const options = { ...ask(), tools, stopWhen: stepCountIs(3) };
          const whole = await generateText(options);
          const stream = streamText(options);
          for (const [text, steps] of [
            [whole.text, whole.steps],
            [await stream.text, await stream.steps],
          ] as const) {
            expect(text).toBe(saidText);
            expect(steps.map(({ toolCalls }) => toolCalls.map(({ input }) => input))).toEqual([
              [toolArguments],
              [],
            ]);
          }
        });

        test("gets errors with their status, and knows which are worth another try", async () => {
          const cases = [
            [{ ...ask(), model: modelOf("wrong", "tiny") }, 401, false],
            [{ ...ask(), model: modelOf(testKey, "nobody") }, 404, false],
            [ask("busy"), 503, true],
          ] as const;
          for (const [failing, status, isRetryable] of cases) {
            const error = await generateText(failing).catch((thrown: unknown) => thrown);
            expect(error).toBeInstanceOf(APICallError);
            expect(error).toMatchObject({ statusCode: status, isRetryable });
          }
        });

        test("leaves the engine when it is aborted", async () => {
          const before = engine.left;
          const abort = new AbortController();
          const stream = streamText({ ...ask("slow"), abortSignal: abort.signal });
          for await (const _piece of stream.textStream) {
            abort.abort();
          }
          for (let round = 0; round < 200 && engine.left === before; round += 1) {
            await Bun.sleep(10);
          }
          expect(engine.left).toBeGreaterThan(before);
        });
      });
    }

    if (only === undefined) {
      test("the ai sdk embeds", async () => {
        const provider = createOpenAICompatible({
          name: "warmpath",
          apiKey: testKey,
          baseURL: `${proxy.url}/v1`,
        });
        const { embedding } = await embed({ model: provider.embeddingModel("tiny"), value: "hi" });
        expect(embedding).toEqual([0.25, -0.5]);
      });
    }
  });
}
