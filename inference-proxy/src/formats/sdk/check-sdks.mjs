// node check-sdks.mjs BASE_URL KEY
//
// Runs OpenAI's and Anthropic's official clients on Node itself, whose HTTP client is not Bun's,
// against a proxy before the engine of scripted-engine.ts. Prints a line of JSON for each check:
// {"name", "fault"}, where the fault is null if it holds.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [baseUrl, apiKey] = process.argv.slice(2);
const openai = new OpenAI({ apiKey, baseURL: `${baseUrl}/v1`, maxRetries: 0 });
const anthropic = new Anthropic({ apiKey, authToken: null, baseURL: baseUrl, maxRetries: 0 });

const model = "tiny";
const text = "hello \u2028 wörld";
const says = (content) => [{ role: "user", content }];
const message = (content) => ({ model, max_tokens: 100, messages: says(content) });

const checks = {
  "chat, whole and streamed": async () => {
    const ask = { model, messages: says("hi") };
    const whole = await openai.chat.completions.create(ask);
    assert.equal(whole.choices[0].message.content, text);
    const streamed = await openai.chat.completions.stream(ask).finalMessage();
    assert.equal(streamed.content, text);
  },
  "responses, whole and streamed": async () => {
    assert.equal((await openai.responses.create({ model, input: "hi" })).output_text, text);
    const streamed = await openai.responses.stream({ model, input: "hi" }).finalResponse();
    assert.equal(streamed.output_text, text);
  },
  "messages, whole and streamed": async () => {
    assert.equal((await anthropic.messages.create(message("hi"))).content[0].text, text);
    const streamed = await anthropic.messages.stream(message("hi")).finalMessage();
    assert.equal(streamed.content[0].text, text);
  },
  "many at once over kept connections": async () => {
    for (let round = 0; round < 3; round += 1) {
      const asked = Array.from({ length: 50 }, () => anthropic.messages.create(message("hi")));
      for (const { content } of await Promise.all(asked)) assert.equal(content[0].text, text);
    }
  },
  "a stream that is left in the middle": async () => {
    const stream = await anthropic.messages.create({ ...message("slow"), stream: true });
    for await (const event of stream) {
      assert.equal(event.type, "message_start");
      break;
    }
  },
  "a stream that is cut": async () => {
    const stream = anthropic.messages.stream(message("broken"));
    await assert.rejects(stream.finalMessage(), /ended before its answer did/);
  },
  "errors as their classes": async () => {
    const wrong = new OpenAI({ apiKey: "wrong", baseURL: `${baseUrl}/v1`, maxRetries: 0 });
    const ask = { model, messages: says("hi") };
    await assert.rejects(wrong.chat.completions.create(ask), OpenAI.AuthenticationError);
    const nobody = openai.chat.completions.create({ ...ask, model: "nobody" });
    await assert.rejects(nobody, OpenAI.NotFoundError);
    await assert.rejects(anthropic.messages.create(message("refused")), Anthropic.BadRequestError);
    const busy = anthropic.messages.create(message("busy"));
    await assert.rejects(busy, Anthropic.InternalServerError);
  },
};

for (const [name, check] of Object.entries(checks)) {
  const fault = await check().then(
    () => null,
    (error) => String(error.stack ?? error),
  );
  process.stdout.write(`${JSON.stringify({ name, fault })}\n`);
}
