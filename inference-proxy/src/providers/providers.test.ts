import { afterEach, describe, expect, test } from "bun:test";
import { systemMessage, userMessage } from "@warmpath/runtime";
import type { Logger } from "@warmpath/runtime/base";
import { type FakeProvider, providerKey, startFakeProvider } from "../testing/fake-provider.ts";
import { startTestProxy, streamOf, type TestProxy } from "../testing/index.ts";
import { eventsOf, named, unnamed } from "./translate/testing.ts";

/*
 * Goal: a client of any API is served by a hosted provider of any other, and the provider's key is
 * nowhere but in its own headers. Method: a whole proxy over sockets before providers whose answers
 * have the documented shapes.
 */

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await each.close();
  }
});

async function start(
  kind: "openai" | "anthropic" | "gemini",
  settings = "",
): Promise<{ provider: FakeProvider; proxy: TestProxy; lines: string[] }> {
  const provider = startFakeProvider();
  const lines: string[] = [];
  const proxy = await startTestProxy(
    [],
    { providers: [`${kind}=${provider.url} name=${kind} key-env=KEY ${settings}`] },
    { secrets: { KEY: providerKey }, log: recordingLogger(lines) },
  );
  opened.push(provider, proxy);
  return { provider, proxy, lines };
}

function recordingLogger(lines: string[]): Logger {
  const add = (message: string, fields?: object) => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const logger: Logger = {
    debug: add,
    info: add,
    warn: add,
    error: add,
    enabled: () => true,
    child: () => logger,
  };
  return logger;
}

const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-x",
  content: [{ type: "text", text: "Hello." }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 3, cache_read_input_tokens: 7, output_tokens: 2 },
};

const messageEvents = named([
  { type: "message_start", message: { ...message, content: [], stop_reason: null } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hel" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "lo." } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } },
  { type: "message_stop" },
]);

const caller = {
  principal: { tenant: "acme", user: "alice", keyId: "key_test", agentChain: [] },
};

const ask = { model: "claude-x", messages: [{ role: "user", content: "Hi" }] };

describe("Anthropic behind the proxy", () => {
  test("answers clients of chat completions, asked in its own words with our key", async () => {
    const { provider, proxy } = await start("anthropic");
    provider.answer = () => Response.json(message);
    const response = await proxy.post("/v1/chat/completions", ask);
    expect(await response.json()).toMatchObject({
      object: "chat.completion",
      choices: [{ message: { content: "Hello." }, finish_reason: "stop" }],
      usage: { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 7 } },
    });
    const [seen] = provider.seen;
    expect(seen?.path).toBe("/v1/messages");
    expect(seen?.headers.get("x-api-key")).toBe(providerKey);
    expect(seen?.headers.get("anthropic-version")).toBe("2023-06-01");
    expect(JSON.parse(seen?.body ?? "")).toEqual({
      model: "claude-x",
      max_tokens: 16_384,
      messages: [{ role: "user", content: "Hi" }],
    });
  });

  test("sees none of our headers", async () => {
    const { provider, proxy } = await start("anthropic");
    provider.answer = () => Response.json(message);
    await proxy.post("/v1/chat/completions", ask, { headers: { "x-session-id": "s" } });
    const names = [...(provider.seen[0]?.headers.keys() ?? [])];
    expect(names.filter((name) => /request-id|trace|session|authorization/.test(name))).toEqual([]);
  });

  test("sees the features that its own clients choose, and no others' choices", async () => {
    const { provider, proxy } = await start("anthropic");
    provider.answer = () => Response.json(message);
    const headers = {
      "anthropic-beta": "context-1m-2025-08-07",
      "anthropic-version": "2024-01-01",
    };
    await proxy.post("/v1/messages", ask, { headers });
    await proxy.post("/v1/chat/completions", ask, { headers });
    const seen = (name: string) => provider.seen.map((request) => request.headers.get(name));
    expect(seen("anthropic-beta")).toEqual(["context-1m-2025-08-07", null]);
    expect(seen("anthropic-version")).toEqual(["2024-01-01", "2023-06-01"]);
    expect(seen("x-api-key")).toEqual([providerKey, providerKey]);
  });

  test("streams to clients of chat completions, with usage for those who ask", async () => {
    const { provider, proxy } = await start("anthropic");
    provider.answer = () => streamOf([messageEvents]);
    const asked = { ...ask, stream: true, stream_options: { include_usage: true } };
    const told = eventsOf(await (await proxy.post("/v1/chat/completions", asked)).text());
    expect(told).toMatchObject([
      { choices: [{ delta: { role: "assistant", content: "Hel" } }] },
      { choices: [{ delta: { content: "lo." } }] },
      { choices: [{ finish_reason: "stop" }] },
      { choices: [], usage: { prompt_tokens: 10, completion_tokens: 2 } },
      "[DONE]",
    ] as object[]);
    const unasked = await proxy.post("/v1/chat/completions", { ...ask, stream: true });
    expect(await unasked.text()).not.toContain("usage");
  });

  test("answers its own clients byte for byte, but for a model of ours", async () => {
    const { provider, proxy } = await start("anthropic", "models=claude-x|fast=claude-y");
    provider.answer = () => streamOf([messageEvents]);
    const body = '{"model":"claude-x","max_tokens":5, "stream":true,"messages":[],"n":1e400}';
    const response = await proxy.post("/v1/messages", body);
    expect(await response.text()).toBe(messageEvents);
    expect(provider.seen[0]?.body).toBe(body);
    await (await proxy.post("/v1/messages", { ...ask, model: "fast", max_tokens: 5 })).text();
    expect(JSON.parse(provider.seen[1]?.body ?? "")).toMatchObject({ model: "claude-y" });
  });

  test("serves clients of responses", async () => {
    const { provider, proxy } = await start("anthropic");
    provider.answer = () => streamOf([messageEvents]);
    const response = await proxy.post("/v1/responses", {
      model: "claude-x",
      input: "Hi",
      stream: true,
    });
    expect(eventsOf(await response.text()).at(-1)).toMatchObject({
      type: "response.completed",
      response: { output: [{ content: [{ text: "Hello." }] }] },
    });
  });

  test("serves our own services, which speak neutral messages", async () => {
    const { provider, proxy } = await start("anthropic");
    provider.answer = () => streamOf([messageEvents]);
    const told: string[] = [];
    const messages = [systemMessage("Be brief."), userMessage("Hi")];
    for await (const { event } of proxy.inference.generate(
      { model: "claude-x", messages },
      caller,
    )) {
      told.push(event.case === "textDelta" ? event.value : (event.case ?? ""));
      if (event.case === "finished") {
        expect(event.value.usage).toMatchObject({ inputTokens: 10n, cachedInputTokens: 7n });
      }
    }
    expect(told).toEqual(["started", "Hel", "lo.", "finished"]);
    expect(JSON.parse(provider.seen[0]?.body ?? "")).toMatchObject({ system: "Be brief." });
  });

  test("a request that has no counterpart is a 400 that names the field", async () => {
    const { provider, proxy } = await start("anthropic");
    const response = await proxy.post("/v1/chat/completions", { ...ask, n: 2 });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: "n" } });
    expect(provider.seen.length).toBe(0);
  });

  test("is busy when it says 529, and is told so", async () => {
    const { provider, proxy } = await start("anthropic");
    const error = { type: "overloaded_error", message: "Overloaded" };
    provider.answer = () => Response.json({ type: "error", error }, { status: 529 });
    const response = await proxy.post("/v1/chat/completions", ask);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).not.toBeNull();
  });

  test("without credit is our trouble and not the request's", async () => {
    const { provider, proxy } = await start("anthropic");
    const message = "Your credit balance is too low to access the Anthropic API.";
    const error = { type: "invalid_request_error", message };
    provider.answer = () => Response.json({ type: "error", error }, { status: 400 });
    const response = await proxy.post("/v1/chat/completions", ask);
    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain("Anthropic");
  });

  test("a stream that breaks ends with an error and without an end mark", async () => {
    const { provider, proxy } = await start("anthropic");
    provider.answer = () =>
      streamOf([messageEvents.slice(0, messageEvents.indexOf("lo."))], { breaksAtEnd: true });
    const response = await proxy.post("/v1/chat/completions", { ...ask, stream: true });
    const told = await response.text();
    expect(told).toContain("Hel");
    expect(told).toContain('"error"');
    expect(told).not.toContain("[DONE]");
  });
});

describe("OpenAI behind the proxy", () => {
  test("is asked in chat completions with a bearer key, the bytes as they are", async () => {
    const { provider, proxy } = await start("openai", "models=gpt-x");
    const answer = { id: "c", choices: [{ message: { content: "Hi" }, finish_reason: "stop" }] };
    provider.answer = () => Response.json(answer);
    const body = '{"model":"gpt-x", "messages":[]}';
    expect(await (await proxy.post("/v1/chat/completions", body)).json()).toEqual(answer);
    expect(provider.seen[0]?.body).toBe(body);
    expect(provider.seen[0]?.headers.get("authorization")).toBe(`Bearer ${providerKey}`);
  });

  test("serves clients of messages by responses, and by chat where those have no word", async () => {
    const { provider, proxy } = await start("openai", "models=gpt-x");
    provider.answer = ({ path }) =>
      Response.json(
        path === "/v1/responses"
          ? { id: "resp_1", status: "completed", output: [] }
          : { id: "c", choices: [{ message: { content: "Hi" }, finish_reason: "stop" }] },
      );
    const body = { model: "gpt-x", max_tokens: 5, messages: [{ role: "user", content: "q" }] };
    await proxy.post("/v1/messages", body);
    await proxy.post("/v1/messages", { ...body, stop_sequences: ["END"] });
    expect(provider.seen.map(({ path }) => path)).toEqual([
      "/v1/responses",
      "/v1/chat/completions",
    ]);
  });
});

describe("Gemini behind the proxy", () => {
  const part = (parts: readonly object[], more: object = {}) => ({
    responseId: "r",
    modelVersion: "gemini-x",
    candidates: [{ content: { role: "model", parts }, ...more }],
    usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 2 },
  });
  const body = { ...ask, model: "gemini-x" };

  test("answers clients of chat completions and of messages", async () => {
    const { provider, proxy } = await start("gemini", "models=gemini-x");
    provider.answer = () => Response.json(part([{ text: "Hello." }], { finishReason: "STOP" }));
    const chat = await proxy.post("/v1/chat/completions", body);
    expect(await chat.json()).toMatchObject({
      choices: [{ message: { content: "Hello." } }],
      usage: { prompt_tokens: 9 },
    });
    const messages = await proxy.post("/v1/messages", { ...body, max_tokens: 5 });
    expect(await messages.json()).toMatchObject({ content: [{ type: "text", text: "Hello." }] });
    const [first] = provider.seen;
    expect(first?.path).toBe("/v1beta/models/gemini-x:generateContent");
    expect(first?.headers.get("x-goog-api-key")).toBe(providerKey);
  });

  test("streams, and a stream without a finish reason is cut", async () => {
    const { provider, proxy } = await start("gemini", "models=gemini-x");
    const events = [part([{ text: "Hel" }]), part([{ text: "lo." }], { finishReason: "STOP" })];
    provider.answer = () => streamOf([unnamed(events)]);
    const asked = { ...body, stream: true };
    const told = await (await proxy.post("/v1/chat/completions", asked)).text();
    expect(eventsOf(told)).toMatchObject([
      { choices: [{ delta: { content: "Hel" } }] },
      { choices: [{ delta: { content: "lo." } }] },
      { choices: [{ finish_reason: "stop" }] },
      "[DONE]",
    ] as object[]);
    expect(provider.seen[0]?.search).toBe("?alt=sse");
    provider.answer = () => streamOf([unnamed(events.slice(0, 1))]);
    const cut = await (await proxy.post("/v1/chat/completions", asked)).text();
    expect(cut).toContain('"error"');
    expect(cut).not.toContain("[DONE]");
  });
});

describe("a provider's key", () => {
  test("is in no log line, no error and no list of replicas, whatever the provider says", async () => {
    const { provider, proxy, lines } = await start("openai", "models=gpt-x");
    const echo = { error: { message: `Incorrect API key provided: ${providerKey}`, code: "x" } };
    const body = { ...ask, model: "gpt-x" };
    const told: string[] = [];
    for (const status of [400, 401, 429, 500]) {
      provider.answer = () => Response.json(echo, { status });
      told.push(await (await proxy.post("/v1/chat/completions", body)).text());
    }
    provider.answer = () => streamOf([`data: ${JSON.stringify(echo)}\n\n`]);
    told.push(await (await proxy.post("/v1/chat/completions", { ...body, stream: true })).text());
    const replicas = await proxy.inference.listReplicas({}, caller);
    told.push(JSON.stringify(replicas, (_, value) => (typeof value === "bigint" ? "" : value)));
    expect(provider.seen.length).toBeGreaterThan(4);
    expect(lines.length).toBeGreaterThan(4);
    expect([...told, ...lines].filter((text) => text.includes(providerKey))).toEqual([]);
  });

  test("goes to no other place: redirects are refused", async () => {
    const { provider, proxy } = await start("anthropic", "models=claude-x");
    const elsewhere = startFakeProvider();
    opened.push(elsewhere);
    provider.answer = () => Response.redirect(`${elsewhere.url}/v1/messages`, 307);
    const response = await proxy.post("/v1/chat/completions", ask);
    expect(response.status).toBe(502);
    expect(elsewhere.seen.length).toBe(0);
  });
});

describe("looking at a provider", () => {
  test("asks for its list of models and for nothing that costs", async () => {
    for (const kind of ["openai", "anthropic", "gemini"] as const) {
      const { provider, proxy } = await start(kind);
      const listed = await fetch(`${proxy.url}/v1/models`, {
        headers: { authorization: "Bearer wp-test-key" },
      });
      const { data } = (await listed.json()) as { data: { id: string }[] };
      expect(data.map(({ id }) => id)).toEqual(["claude-x"]);
      expect(provider.seen).toEqual([]);
      expect(new Set(provider.looks)).toEqual(
        new Set([kind === "gemini" ? "/v1beta/models" : "/v1/models"]),
      );
    }
  });

  test("finds a wrong key before any request does", async () => {
    const { provider, proxy } = await start("openai");
    expect((await proxy.inference.listReplicas({}, caller)).replicas[0]?.healthy).toBe(true);
    expect(provider.seen).toEqual([]);
    const wrong = startFakeProvider();
    const second = await startTestProxy(
      [],
      { providers: [`openai=${wrong.url} key-env=KEY`] },
      { secrets: { KEY: "wrong" } },
    );
    opened.push(wrong, second);
    const [replica] = (await second.inference.listReplicas({}, caller)).replicas;
    expect(replica?.healthy).toBe(false);
    expect(replica?.unhealthyReason).toContain("does not accept our key");
  });
});
