import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createLogger } from "@warmpath/runtime/base";
import {
  type FakeEngine,
  readRecording,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  testKey,
} from "../testing/index.ts";

/*
 * Goal: messages and responses pass as chats do, and fail in the shape of their own API. Method:
 * what a real engine answered, cut at awkward places, before a whole proxy; written failures.
 */

let engine: FakeEngine;
let proxy: TestProxy;
const calls: Record<string, unknown>[] = [];

beforeAll(async () => {
  engine = startFakeEngine();
  const write = (line: string) => {
    const fields = JSON.parse(line);
    if (fields.message === "model call") {
      calls.push(fields);
    }
  };
  const log = createLogger({ service: "test", level: "info", format: "json", write });
  proxy = await startTestProxy([engine], { idleTimeoutMs: 200 }, { log });
});

afterAll(async () => {
  await proxy.close();
  await engine.stop();
});

beforeEach(() => {
  calls.length = 0;
});

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, index) => bytes.slice(index * size, (index + 1) * size));
}

function events(text: string): { name: string; data: Record<string, unknown> }[] {
  return text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => ({
      name: /^event: (.*)$/m.exec(event)?.[1] ?? "",
      data: JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? "{}"),
    }));
}

const messages = "/v1/messages";
const responses = "/v1/responses";

describe("messages and responses", () => {
  for (const name of ["messages-stream", "responses-stream", "usage-cached-messages-stream"]) {
    test(`hand on the stream of ${name} byte for byte, however it is cut`, async () => {
      const recording = readRecording(name);
      for (const size of [7, 100, 1 << 20]) {
        engine.answer = () => streamOf(pieces(recording.body, size));
        const response = await proxy.post(recording.path, recording.requestBody);
        expect(response.headers.get("content-type")).toBe(recording.contentType);
        expect(await response.text()).toBe(new TextDecoder().decode(recording.body));
      }
    });
  }

  for (const name of ["messages", "responses", "messages-count_tokens"]) {
    test(`hand on the answer of ${name} byte for byte`, async () => {
      const recording = readRecording(name);
      engine.answer = () =>
        new Response(recording.body, { headers: { "content-type": recording.contentType } });
      const response = await proxy.post(recording.path, recording.requestBody);
      expect(response.status).toBe(200);
      expect(engine.seen.at(-1)?.path).toBe(recording.path);
      expect(Buffer.from(await response.bytes()).equals(recording.body)).toBe(true);
    });
  }

  test("are accounted with their cached tokens, streamed or not", async () => {
    const names = ["usage-cached-messages-stream", "usage-cached-messages"];
    for (const name of [...names, "usage-cached-responses"]) {
      const { path, requestBody, body, contentType } = readRecording(name);
      engine.answer = () => new Response(body, { headers: { "content-type": contentType } });
      await (await proxy.post(path, requestBody)).text();
      expect(calls.pop()).toMatchObject({
        operation: "chat",
        outcome: "done",
        input_tokens: 303,
        cached_input_tokens: 288,
        output_tokens: 1,
        usage_estimated: false,
      });
    }
  });

  test("tell a whole answer's bill before its body, and none that would be a guess", async () => {
    const { path, requestBody, body } = readRecording("usage-cached-messages");
    engine.answer = () => new Response(body);
    const billed = (await proxy.post(path, requestBody)).headers;
    expect(billed.get("x-warmpath-cached-tokens")).toBe("288");
    expect(billed.get("x-warmpath-cost-nanodollars")).toBe("0");
    engine.answer = () => Response.json({ type: "message", stop_reason: "end_turn" });
    const guessed = (await proxy.post(path, requestBody)).headers;
    expect(guessed.get("x-warmpath-cached-tokens")).toBeNull();
    expect(guessed.get("x-warmpath-cost-nanodollars")).toBeNull();
  });

  test("are sent with the tenant's salt and otherwise as the client wrote them", async () => {
    engine.answer = () => new Response("{}");
    const body = `{"model":"tiny","max_tokens":1,"x":9007199254740993,"stream":true,"messages":[{"role":"user","content":"\u2028 \\ud800"}]`;
    for (const path of [messages, responses]) {
      await (await proxy.post(path, `${body}}`)).text();
      expect(engine.seen.at(-1)?.body).toBe(`${body},"cache_salt":"acme"}`);
    }
    await (await proxy.post("/v1/messages/count_tokens", `${body}}`)).text();
    expect(engine.seen.at(-1)?.body).toBe(`${body}}`);
  });
});

describe("a stream that is cut", () => {
  const opening = 'event: message_start\ndata: {"type":"message_start","message":{}}\n\n';
  const delta =
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n';
  const textDelta =
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"x","sequence_number":41}\n\n';

  test("ends with an error event of Anthropic's API", async () => {
    for (const options of [{}, { breaksAtEnd: true }, { hangsAtEnd: true }]) {
      engine.answer = () => streamOf([opening, delta], options);
      const response = await proxy.post(messages, { model: "tiny", stream: true, messages: [] });
      const last = events(await response.text()).at(-1);
      expect(last).toMatchObject({
        name: "error",
        data: { type: "error", error: { type: "api_error" } },
      });
      expect(last?.data["request_id"]).toBe(response.headers.get("request-id"));
      expect(calls.pop()).toMatchObject({ outcome: "cut", usage_estimated: true });
    }
  });

  test("is billed for the prompt that the engine counted, and for the pieces that came", async () => {
    const usage = { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 1 };
    const start = { type: "message_start", message: { usage } };
    engine.answer = () =>
      streamOf([`event: message_start\ndata: ${JSON.stringify(start)}\n\n`, delta, delta]);
    await (await proxy.post(messages, { model: "tiny", stream: true, messages: [] })).text();
    expect(calls.pop()).toMatchObject({
      outcome: "cut",
      input_tokens: 12,
      cached_input_tokens: 7,
      output_tokens: 2,
      usage_estimated: true,
    });
  });

  test("ends with an error event of responses, numbered on", async () => {
    engine.answer = () => streamOf([textDelta]);
    const response = await proxy.post(responses, { model: "tiny", stream: true, input: "x" });
    const last = events(await response.text()).at(-1);
    expect(last?.data).toMatchObject({
      type: "error",
      sequence_number: 42,
      code: "server_error",
      error: { type: "server_error", code: "server_error" },
    });
    expect(last?.data["message"]).toBe("the upstream's stream ended before its answer did");
  });

  test("hands on the engine's own error event and adds none", async () => {
    const failed =
      'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n';
    engine.answer = () => streamOf([opening, delta, failed]);
    const response = await proxy.post(messages, { model: "tiny", stream: true, messages: [] });
    expect(await response.text()).toBe(opening + delta + failed);
    expect(calls.pop()).toMatchObject({ outcome: "cut" });
  });
});

describe("before the first piece of an answer", () => {
  const created =
    'event: response.created\ndata: {"response":{"error":null},"sequence_number":0,"type":"response.created"}\n\n';
  const refused = 'event: error\ndata: {"error":{"message":"full","code":503}}\n\ndata: [DONE]\n\n';
  const started = 'event: message_start\ndata: {"type":"message_start","message":{}}\n\n';
  const overloaded =
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"full"}}\n\n';
  const cases = {
    [responses]: ["responses-stream", created + refused],
    [messages]: ["messages-stream", started + overloaded],
  } as const;

  for (const [path, [name, failure]] of Object.entries(cases)) {
    test(`a refusal behind the opening of ${path} is retried elsewhere`, async () => {
      const other = startFakeEngine();
      const { body, requestBody } = readRecording(name);
      const two = await startTestProxy([engine, other], {});
      try {
        engine.answer = () => streamOf([failure]);
        other.answer = () => streamOf([body]);
        const before = engine.seen.length;
        for (let round = 0; round < 20 && engine.seen.length === before; round += 1) {
          // Another conversation each time: one that continues stays with who knows it.
          const input = [{ role: "user", content: `hi ${round}` }];
          const asked = { ...JSON.parse(requestBody), input, messages: input };
          const response = await two.post(path, asked);
          expect(await response.text()).toBe(new TextDecoder().decode(body));
        }
        expect(engine.seen.length).toBeGreaterThan(before);
      } finally {
        await two.close();
        await other.stop();
      }
    });
  }
});

test("an overload that vLLM's messages swallowed is still one, and nobody's death", async () => {
  const swallowed =
    "2 validation errors for ChatCompletionStreamResponse\nmodel\n  Field required [type=missing, input_value={'error': {'message': 'Th...am': None, 'code': 503}}, input_type=dict]";
  const error = { type: "internal_error", message: swallowed };
  engine.answer = () =>
    streamOf([`event: error\ndata: ${JSON.stringify({ type: "error", error })}\n\n`]);
  const response = await proxy.post(messages, { model: "tiny", stream: true, messages: [] });
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).not.toBeNull();
  expect(await response.json()).toMatchObject({ error: { type: "overloaded_error" } });
});

describe("errors of Anthropic's API", () => {
  const ask = { model: "tiny", max_tokens: 1, messages: [{ role: "user", content: "hi" }] };

  async function failing(body: unknown, init: RequestInit = {}, path = messages) {
    const response = await proxy.post(path, body, init);
    const parsed = (await response.json()) as Record<string, unknown>;
    expect(parsed["type"]).toBe("error");
    expect(parsed["request_id"]).toBe(response.headers.get("request-id"));
    expect(response.headers.get("x-request-id")).toBe(response.headers.get("request-id"));
    return { status: response.status, error: parsed["error"], headers: response.headers };
  }

  test("have its type for each status of ours", async () => {
    expect(await failing([ask])).toMatchObject({
      status: 400,
      error: { type: "invalid_request_error", message: "The body must be a JSON object." },
    });
    expect(await failing(ask, { headers: { authorization: "Bearer wrong" } })).toMatchObject({
      status: 401,
      error: { type: "authentication_error" },
    });
    expect(await failing({ ...ask, model: "nobody" })).toMatchObject({
      status: 404,
      error: { type: "not_found_error" },
    });
    expect(await failing(ask, {}, "/v1/messages/batches")).toMatchObject({
      status: 404,
      error: { type: "not_found_error" },
    });
  });

  test("keep an upstream's sentence and not its names", async () => {
    for (const [name, type] of [
      ["err-messages-bad-model", "not_found_error"],
      ["err-messages-malformed", "invalid_request_error"],
    ] as const) {
      const { body, status, contentType } = readRecording(name);
      engine.answer = () =>
        new Response(body, { status, headers: { "content-type": contentType } });
      const { error } = JSON.parse(new TextDecoder().decode(body));
      expect(await failing(ask)).toMatchObject({
        status,
        error: { type, message: error.message },
      });
    }
  });

  test("say when to come again", async () => {
    engine.answer = () => Response.json({ error: { message: "full" } }, { status: 503 });
    const busy = await failing(ask);
    expect(busy).toMatchObject({ status: 503, error: { type: "overloaded_error" } });
    expect(Number(busy.headers.get("retry-after"))).toBeGreaterThan(0);
    proxy.keys.set("wp-slow-key", 1);
    engine.answer = () => Response.json({ type: "message", stop_reason: "end_turn" });
    const headers = { authorization: "Bearer wp-slow-key" };
    await (await proxy.post(messages, ask, { headers })).text();
    const limited = await failing(ask, { headers });
    expect(limited).toMatchObject({ status: 429, error: { type: "rate_limit_error" } });
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
  });
});

describe("Anthropic's clients", () => {
  const headers = { "x-api-key": testKey, "anthropic-version": "2023-06-01" };

  test("send their key in a header of its own", async () => {
    engine.answer = () => Response.json({ type: "message", stop_reason: "end_turn" });
    const body = JSON.stringify({ model: "tiny", max_tokens: 1, messages: [] });
    const ask = (key: string) =>
      fetch(`${proxy.url}${messages}`, {
        method: "POST",
        body,
        headers: { ...headers, "x-api-key": key, "anthropic-beta": "some-2026-01-01" },
      });
    expect((await ask(testKey)).status).toBe(200);
    expect(engine.seen.at(-1)?.headers.get("x-api-key")).toBeNull();
    expect((await ask("wrong")).status).toBe(401);
  });

  test("get lists of models in their own shape, and others in theirs", async () => {
    const get = async (path: string, init: RequestInit) =>
      (await fetch(`${proxy.url}${path}`, init)).json();
    const model = { type: "model", id: "tiny", display_name: "tiny" };
    expect(await get("/v1/models", { headers })).toMatchObject({
      data: [model],
      has_more: false,
      first_id: "tiny",
      last_id: "tiny",
    });
    expect(await get("/v1/models/tiny", { headers })).toMatchObject(model);
    expect(await get("/v1/models/none", { headers })).toMatchObject({
      type: "error",
      error: { type: "not_found_error" },
    });
    const bearer = { headers: { authorization: `Bearer ${testKey}` } };
    expect(await get("/v1/models", bearer)).toMatchObject({
      object: "list",
      data: [{ object: "model", id: "tiny" }],
    });
  });
});

describe("stored responses", () => {
  test("are refused by the member that asks for one, and not by values that ask for none", async () => {
    engine.answer = () => Response.json({ status: "completed" });
    const statusOf = async (members: object) => {
      const response = await proxy.post(responses, { model: "tiny", input: "x", ...members });
      return [
        response.status,
        ((await response.json()) as { error?: { param?: string } }).error?.param,
      ];
    };
    expect(await statusOf({ previous_response_id: "resp_1" })).toEqual([
      400,
      "previous_response_id",
    ]);
    expect(await statusOf({ conversation: { id: "c" } })).toEqual([400, "conversation"]);
    expect(await statusOf({ background: true })).toEqual([400, "background"]);
    const none = { previous_response_id: null, conversation: null, background: false, store: true };
    expect(await statusOf(none)).toEqual([200, undefined]);
  });

  test("are found under no id, by no method, and by nobody without a key", async () => {
    const headers = { authorization: `Bearer ${testKey}` };
    for (const method of ["GET", "DELETE", "POST"]) {
      const path = `${proxy.url}/v1/responses/resp_1${method === "POST" ? "/cancel" : ""}`;
      const found = await fetch(path, { method, headers });
      expect(found.status).toBe(404);
      expect(await found.json()).toMatchObject({
        error: { type: "invalid_request_error", code: "response_not_found" },
      });
      expect((await fetch(path, { method })).status).toBe(401);
    }
  });
});
