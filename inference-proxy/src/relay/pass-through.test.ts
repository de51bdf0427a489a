import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type FakeEngine,
  readRecording,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
} from "../testing/index.ts";

/*
 * Goal: bytes go through as they are. Method: replay what a real engine answered, in pieces of
 * every awkward size, and compare; look at what the engine was sent.
 */

let engine: FakeEngine;
let proxy: TestProxy;

beforeAll(async () => {
  engine = startFakeEngine();
  proxy = await startTestProxy([engine]);
});

afterAll(async () => {
  await proxy.close();
  await engine.stop();
});

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, index) => bytes.slice(index * size, (index + 1) * size));
}

const streams = [
  "chat-stream-usage",
  "chat-tools-required-stream",
  "completions-stream",
  "usage-cached-chat-stream",
];
const wholes = ["chat", "chat-tools-required", "completions", "chat-n2"];

describe("pass-through", () => {
  for (const name of streams) {
    test(`hands on the stream of ${name} byte for byte, however it is cut`, async () => {
      const recording = readRecording(name);
      for (const size of [7, 100, 1460, 1 << 20]) {
        engine.answer = () => streamOf(pieces(recording.body, size));
        const response = await proxy.post(recording.path, recording.requestBody);
        expect(response.headers.get("content-type")).toBe(recording.contentType);
        expect(await response.text()).toBe(new TextDecoder().decode(recording.body));
      }
    });
  }

  for (const name of wholes) {
    test(`hands on the answer of ${name} byte for byte`, async () => {
      const recording = readRecording(name);
      engine.answer = () =>
        new Response(recording.body, { headers: { "content-type": recording.contentType } });
      const response = await proxy.post(recording.path, recording.requestBody);
      expect(response.status).toBe(200);
      expect(Buffer.from(await response.bytes()).equals(recording.body)).toBe(true);
      expect(response.headers.get("x-request-id")).toMatch(/^req_[0-9a-f]{32}$/);
      expect(response.headers.get("x-warmpath-replica")).toBe(engine.name);
      expect(response.headers.get("x-warmpath-attempts")).toBe("1");
    });
  }

  test("asks for usage and takes out only the usage event for a client that did not ask", async () => {
    const recording = readRecording("chat-stream-usage");
    const body = JSON.parse(recording.requestBody);
    delete body.stream_options;
    engine.answer = () => streamOf(pieces(recording.body, 100));
    const response = await proxy.post(recording.path, body);
    const expected = new TextDecoder()
      .decode(recording.body)
      .split("\n\n")
      .filter((event) => !event.includes('"choices":[]'))
      .join("\n\n");
    expect(await response.text()).toBe(expected);
    expect(JSON.parse(engine.seen.at(-1)?.body ?? "").stream_options).toEqual({
      include_usage: true,
    });
  });

  test("leaves every byte of the request but the salt: big integers, unknown fields, spaces", async () => {
    const recording = readRecording("chat");
    engine.answer = () => new Response(recording.body);
    const body = ` { "model":"tiny", "seed": 9007199254740993,"x_unknown": {"a":[1.0, 2e3]},\n"messages":[{"role":"user","content":"\\u2028 \\"cache_salt\\":1"}]}`;
    await (await proxy.post("/v1/chat/completions", body)).text();
    expect(engine.seen.at(-1)?.body).toBe(body.replace(/\}$/, ',"cache_salt":"acme"}'));
  });

  test("keeps a client's salt inside its tenant, whatever it is written like", async () => {
    engine.answer = () => new Response("{}");
    const body = `{"model":"tiny","cache\\u005fsalt":"x","messages":[],"cache_salt":"mine"}`;
    await (await proxy.post("/v1/chat/completions", body)).text();
    expect(engine.seen.at(-1)?.body).toBe(
      '{"model":"tiny","messages":[],"cache_salt":"acme/mine"}',
    );
  });

  test("shows the engine no header that could steer it, and none of the client's secrets", async () => {
    engine.answer = () => new Response("{}");
    const headers = {
      "x-request-id": "mine",
      "x-data-parallel-rank": "3",
      "x-vllm-priority": "-9",
      "x-session-id": "s",
      cookie: "secret",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    await proxy.post("/v1/chat/completions", { model: "tiny", messages: [] }, { headers });
    const seen = engine.seen.at(-1)?.headers;
    expect(seen?.get("x-request-id")).toMatch(/^req_/);
    expect(seen?.get("traceparent")).toBe(headers.traceparent);
    for (const name of ["x-data-parallel-rank", "x-vllm-priority", "x-session-id", "cookie"]) {
      expect(seen?.get(name) ?? null).toBeNull();
    }
    expect(seen?.get("authorization") ?? null).toBeNull();
  });

  test("says on request where the prompt stopped beginning as the one before it", async () => {
    engine.answer = () => new Response("{}");
    const ask = async (content: string, headers: Record<string, string>) => {
      const messages = [{ role: "user", content }];
      const init = { headers: { "x-session-id": "explained", ...headers } };
      const response = await proxy.post("/v1/chat/completions", { model: "tiny", messages }, init);
      return response.headers.get("x-warmpath-cache-break");
    };
    const explain = { "x-warmpath-explain": "1" };
    expect(await ask("It is 16:20.", explain)).toBe("none");
    expect(await ask("It is 16:21.", explain)).toMatch(
      /^timestamp; message=0; role=user; byte=\d+$/,
    );
    expect(await ask("It is 16:22.", {})).toBeNull();
    expect(await proxy.metrics.text()).toMatch(/cache_breaks_total\{cause="timestamp"[^}]*\} 2/);
  });
});
