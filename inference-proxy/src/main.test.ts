import { describe, expect, test } from "bun:test";
import { createTracing } from "@warmpath/runtime";
import { createLogger } from "@warmpath/runtime/base";
import { chunk, helloStream, startFakeEngine, startTestProxy, streamOf } from "./testing/index.ts";

const ask = { model: "tiny", messages: [{ role: "user", content: "hi" }], stream: true };

describe("startInferenceProxy()", () => {
  test("draining lets streams finish and refuses those who wait", async () => {
    const engine = startFakeEngine();
    const proxy = await startTestProxy([engine], { replicaInFlightMax: 1 });
    engine.answer = () => streamOf(helloStream, { pauseMs: 60 });
    const running = await proxy.post("/v1/chat/completions", ask);
    const waiting = proxy.post("/v1/chat/completions", ask);
    while (!/queue_requests(?:\{.*\})? 1$/m.test(await proxy.metrics.text())) {
      await Bun.sleep(1);
    }
    const closed = proxy.proxy.close(2000);
    expect((await waiting).status).toBe(503);
    expect(await running.text()).toEndWith("data: [DONE]\n\n");
    await closed;
    expect(engine.seen.length).toBe(1);
    await engine.stop();
  });

  test("a stream that outlasts the grace is cut, and leaves the engine", async () => {
    const engine = startFakeEngine();
    const proxy = await startTestProxy([engine]);
    engine.answer = () => streamOf([chunk({ content: "x" })], { hangsAtEnd: true });
    const response = await proxy.post("/v1/chat/completions", ask);
    await proxy.proxy.close(100);
    expect(response.text()).rejects.toThrow();
    for (let round = 0; round < 100 && engine.left === 0; round += 1) {
      await Bun.sleep(10);
    }
    expect(engine.left).toBe(1);
    await engine.stop();
  });

  test("is ready when a replica has its model loaded, and not while none has", async () => {
    const models: string[] = [];
    const engine = startFakeEngine({ models });
    const proxy = await startTestProxy([engine], { probeIntervalMs: 20 });
    const early = await fetch(`${proxy.url}/ready`);
    expect([early.status, await early.text()]).toEqual([
      503,
      expect.stringContaining("no upstream has a model loaded"),
    ]);
    // It answers nonetheless: nobody restarts it for what another process lacks.
    expect((await fetch(`${proxy.url}/health`)).status).toBe(200);
    models.push("tiny");
    while ((await fetch(`${proxy.url}/ready`)).status !== 200) {
      await Bun.sleep(20);
    }
    await proxy.close();
    await engine.stop();
  });

  test("continues the caller's trace through each attempt", async () => {
    const engines = [startFakeEngine(), startFakeEngine()];
    // Nobody listens there: what is looked at is what the engines are told.
    const tracing = createTracing({ service: "test", otlpUrl: "http://127.0.0.1:9" });
    const proxy = await startTestProxy(engines, {}, { tracing });
    for (const engine of engines) {
      engine.answer = () => new Response("{}", { status: 503 });
    }
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` };
    await (await proxy.post("/v1/chat/completions", ask, { headers })).text();
    const told = engines.map(({ seen }) => seen[0]?.headers.get("traceparent") ?? "");
    expect(told.map((text) => text.split("-")[1])).toEqual([traceId, traceId]);
    expect(new Set([headers.traceparent, ...told]).size).toBe(3);
    await proxy.close();
    await Promise.all(engines.map((engine) => engine.stop()));
    await tracing.close();
  });

  test("writes one line a call, with its bill and without anybody's secrets", async () => {
    const lines: string[] = [];
    const log = createLogger({
      service: "inference-proxy",
      level: "debug",
      format: "json",
      write: (line) => lines.push(line),
    });
    const engine = startFakeEngine();
    const url = engine.url.replace("http://", "http://user:hidden-password@");
    const proxy = await startTestProxy([{ url }], { upstreamApiKey: "sk-hidden" }, { log });
    engine.answer = () => streamOf(helloStream);
    await (await proxy.post("/v1/chat/completions", ask)).text();
    engine.answer = () => Response.json({ error: "Unauthorized" }, { status: 401 });
    await (await proxy.post("/v1/chat/completions", ask)).text();
    const calls = lines
      .filter((line) => line.includes("model call"))
      .map((line) => JSON.parse(line));
    expect(calls.map(({ outcome }) => outcome)).toEqual(["done", "failed-upstream-rejected"]);
    expect(calls[0]).toMatchObject({
      model: "tiny",
      replica: engine.name,
      tenant: "acme",
      input_tokens: 12,
      cached_input_tokens: 8,
      output_tokens: 2,
      finish_reason: "stop",
      usage_estimated: false,
    });
    expect(lines.join("\n")).not.toMatch(/hidden|wp-test-key/);
    expect(engine.seen[0]?.headers.get("authorization")).toStartWith("Basic ");
    const metrics = await (await fetch(`${proxy.url}/metrics`)).text();
    expect(metrics).toContain(`replica_in_flight{replica="${engine.name}"`);
    await proxy.close();
    await engine.stop();
  });
});
