import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createManualClock } from "@warmpath/runtime/testing";
import {
  chunk,
  done,
  type FakeEngine,
  readRecording,
  type SeenRequest,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  usageChunk,
} from "../testing/index.ts";
import type { Replica } from "../upstream/pool.ts";
import { createUpstreamPaths, isPathMissing } from "./upstream-paths.ts";

/*
 * Goal: a client gets its own API from an upstream that has only another one. Method: engines that
 * answer 404 on all paths but one, before a whole proxy.
 */

let engine: FakeEngine;
let proxy: TestProxy;

beforeEach(async () => {
  engine = startFakeEngine();
  proxy = await startTestProxy([engine]);
});

afterEach(async () => {
  await proxy.close();
  await engine.stop();
});

/** The engine has this path alone. */
function only(path: string, answer: (request: SeenRequest) => Response): void {
  engine.answer = (request) =>
    request.path === path
      ? answer(request)
      : Response.json({ detail: "Not Found" }, { status: 404 });
}

const chatAnswer = {
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "tiny",
  choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 12, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 8 } },
};
const ask = { model: "tiny", max_tokens: 9, messages: [{ role: "user", content: "hi" }] };
const paths = () => engine.seen.map(({ path }) => path);

describe("messages from an upstream that has only chats", () => {
  test("are answered in their own format, and asked for at once the next time", async () => {
    only("/v1/chat/completions", () => Response.json(chatAnswer));
    const body = { ...ask, system: "be brief", stop_sequences: ["x"], seed: 1 };
    for (let round = 0; round < 2; round += 1) {
      const response = await proxy.post("/v1/messages", body);
      expect(await response.json()).toMatchObject({
        type: "message",
        role: "assistant",
        content: [{ type: "text", text: "hello" }],
        stop_reason: "end_turn",
        usage: { input_tokens: 4, cache_read_input_tokens: 8, output_tokens: 2 },
      });
    }
    expect(paths()).toEqual(["/v1/messages", "/v1/chat/completions", "/v1/chat/completions"]);
    expect(JSON.parse(engine.seen.at(-1)?.body ?? "")).toMatchObject({
      model: "tiny",
      cache_salt: "acme",
      max_completion_tokens: 9,
      stop: ["x"],
      messages: [
        { role: "system", content: "be brief" },
        { role: "user", content: "hi" },
      ],
    });
  });

  test("stream in their own format, to a proper end", async () => {
    const blocks = [
      chunk({ role: "assistant", content: "" }),
      chunk({ content: "hel" }),
      chunk({ content: "lo" }, "stop"),
      usageChunk(12, 2, 8),
      done,
    ];
    only("/v1/chat/completions", () => streamOf(blocks));
    const response = await proxy.post("/v1/messages", { ...ask, stream: true });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const text = await response.text();
    const names = [...text.matchAll(/^event: (.*)$/gm)].map(([, name]) => name);
    expect(names.at(0)).toBe("message_start");
    expect(names.slice(-2)).toEqual(["message_delta", "message_stop"]);
    expect(text).toContain('"stop_reason":"end_turn"');
    expect(text).not.toContain("[DONE]");
    expect(JSON.parse(engine.seen.at(-1)?.body ?? "").stream_options).toEqual({
      include_usage: true,
    });
  });

  test("end with Anthropic's error event where the chat was cut", async () => {
    only("/v1/chat/completions", () => streamOf([chunk({ content: "hel" })]));
    const text = await (await proxy.post("/v1/messages", { ...ask, stream: true })).text();
    expect(text).not.toContain("message_stop");
    expect(text).toMatch(
      /event: error\ndata: \{"type":"error","error":\{"type":"api_error".*\n\n$/,
    );
  });

  test("that no chat can stand for are refused by the name of their field", async () => {
    only("/v1/chat/completions", () => Response.json(chatAnswer));
    const response = await proxy.post("/v1/messages", { ...ask, container: "c" });
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as { error: { message: string } };
    expect(error).toMatchObject({ type: "invalid_request_error" });
    expect(error.message).toContain("container");
  });

  test("are counted by what was learned of their model's tokens, which the count says", async () => {
    only("/v1/chat/completions", () => Response.json(chatAnswer));
    const count = async () => {
      const response = await proxy.post("/v1/messages/count_tokens", ask);
      expect(response.status).toBe(200);
      return (await response.json()) as { input_tokens: number; estimated: boolean };
    };
    const before = await count();
    expect(before).toEqual({ input_tokens: expect.any(Number), estimated: true });
    for (let round = 0; round < 20; round += 1) {
      await (await proxy.post("/v1/messages", ask)).text();
    }
    // The chats reported 12 tokens each for about as many bytes.
    expect(Math.abs((await count()).input_tokens - 12)).toBeLessThan(
      Math.abs(before.input_tokens - 12) + 1,
    );
  });
});

describe("responses from an upstream that has only chats", () => {
  const asked = { model: "tiny", input: "hi", instructions: "be brief", max_output_tokens: 9 };

  test("are answered in their own format", async () => {
    only("/v1/chat/completions", () => Response.json(chatAnswer));
    expect(await (await proxy.post("/v1/responses", asked)).json()).toMatchObject({
      object: "response",
      status: "completed",
      output: [{ type: "message", content: [{ type: "output_text", text: "hello" }] }],
      usage: { input_tokens: 12, input_tokens_details: { cached_tokens: 8 }, output_tokens: 2 },
    });
    expect(paths()).toEqual(["/v1/responses", "/v1/chat/completions"]);
  });

  test("stream in their own format, and number an error of ours after their last event", async () => {
    const said = chunk({ role: "assistant", content: "hello" });
    const whole = [said, chunk({}, "stop"), usageChunk(12, 2, 8), done];
    only("/v1/chat/completions", () => streamOf(whole));
    const text = await (await proxy.post("/v1/responses", { ...asked, stream: true })).text();
    expect(text).toMatch(/^event: response.created\n/);
    expect(text).toMatch(/event: response.completed\ndata: [^\n]*\n\n$/);
    only("/v1/chat/completions", () => streamOf([said]));
    const cut = await (await proxy.post("/v1/responses", { ...asked, stream: true })).text();
    const numbers = [...cut.matchAll(/"sequence_number":(\d+)/g)].map(([, digits]) =>
      Number(digits),
    );
    expect(cut).toMatch(/event: error\ndata: [^\n]*\n\n$/);
    expect(numbers).toEqual(numbers.map((_, at) => at));
  });
});

describe("chats from an upstream that has only messages", () => {
  test("stream as chats, with usage only for a client that asked", async () => {
    const { body } = readRecording("usage-cached-messages-stream");
    only("/v1/messages", () => streamOf([body]));
    const send = async (options: object) => {
      const request = { ...ask, stream: true, ...options };
      return await (await proxy.post("/v1/chat/completions", request)).text();
    };
    const plain = await send({});
    expect(plain).toContain('"finish_reason":"length"');
    expect(plain).toEndWith("data: [DONE]\n\n");
    expect(plain).not.toContain("prompt_tokens");
    const counted = await send({ stream_options: { include_usage: true } });
    expect(counted).toContain('"prompt_tokens":303');
    expect(counted).toContain('"cached_tokens":288');
  });
});

describe("createUpstreamPaths()", () => {
  // Only the name of a replica is looked at.
  const replica = { address: { name: "a:1" } } as Replica;
  const other = { address: { name: "b:1" } } as Replica;

  test("believes a path again after a while, and confuses no two upstreams", async () => {
    const clock = createManualClock();
    const known = createUpstreamPaths(clock);
    known.noteMissing(replica, "/v1/messages");
    expect(known.choicesOf(replica, "/v1/messages")).toEqual(["/v1/chat/completions"]);
    expect(known.choicesOf(other, "/v1/messages")[0]).toBe("/v1/messages");
    await clock.advance(60_001);
    expect(known.choicesOf(replica, "/v1/messages")[0]).toBe("/v1/messages");
  });

  test("tells a missing path from a missing model, in every server's words", () => {
    const fault = (status: number, message: string, code?: string, param?: string) =>
      isPathMissing(
        {
          kind: "fault",
          status,
          error: { message, code, type: undefined, param, status: undefined },
        },
        "tiny",
      );
    expect(fault(404, "Not Found")).toBe(true);
    expect(fault(405, "Method Not Allowed")).toBe(true);
    expect(fault(404, "Invalid URL (POST /v1/messages)")).toBe(true);
    expect(fault(404, "The model `tiny` does not exist.")).toBe(false);
    expect(fault(404, "no such thing", "model_not_found")).toBe(false);
    expect(fault(404, "Item with id 'rs_1' not found.", undefined, "input")).toBe(false);
    expect(fault(400, "bad")).toBe(false);
  });
});
