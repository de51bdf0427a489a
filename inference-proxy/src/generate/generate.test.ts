import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Role } from "@warmpath/proto/common";
import type { GenerateResponse } from "@warmpath/proto/inference";
import { InferenceService } from "@warmpath/proto/inference";
import {
  createServiceClient,
  createServiceTransport,
  messageHash,
  systemMessage,
  tracingOff,
  userMessage,
} from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";
import { createTestSigner, testPrincipal } from "@warmpath/runtime/testing";
import {
  chunk,
  done,
  type FakeEngine,
  helloStream,
  readRecording,
  readTestdata,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  usageChunk,
} from "../testing/index.ts";

let engine: FakeEngine;
let proxy: TestProxy;

beforeEach(async () => {
  engine = startFakeEngine({
    models: ["tiny", "tiny-embed"],
    isSimulated: true,
    metrics: readTestdata("metrics-under-load.txt").toString(),
  });
  proxy = await startTestProxy([engine], {
    prices: ["tiny=1000/100/2000"],
    modelTiers: ["huge=tiny"],
  });
});

afterEach(async () => {
  await proxy.close();
  await engine.stop();
});

const principal = testPrincipal();
const messages = [systemMessage("Be brief."), userMessage("Say hello.")];

async function collect(stream: AsyncIterable<GenerateResponse>) {
  const events: GenerateResponse["event"][] = [];
  for await (const { event } of stream) {
    events.push(event);
  }
  return events;
}

function generate(request: Parameters<TestProxy["inference"]["generate"]>[0]) {
  return collect(proxy.inference.generate(request, { principal }));
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return WarmpathError.from(error).reason;
  }
  return "it succeeded";
}

describe("Generate", () => {
  test("starts with where it went, and ends with the whole answer, its bytes and its bill", async () => {
    engine.answer = () => streamOf(helloStream, { pauseMs: 2 });
    const events = await generate({ messages });
    expect(events.map((event) => event.case)).toEqual([
      "started",
      "textDelta",
      "textDelta",
      "finished",
    ]);
    expect(events[0]?.value).toMatchObject({
      model: "tiny",
      replica: engine.name,
      simulated: true,
    });
    const finished = events.at(-1);
    if (finished?.case !== "finished") {
      throw new Error("the last event is the end");
    }
    const { message, usage, finishReason, attempts, timeToFirstTokenMs } = finished.value;
    expect(new TextDecoder().decode(message?.wire?.data)).toBe(
      '{"role":"assistant","content":"hello"}',
    );
    expect([finishReason, attempts, timeToFirstTokenMs > 0]).toEqual(["stop", 1, true]);
    // 4 uncached at 1000, 8 cached at 100, 2 out at 2000.
    expect(usage).toMatchObject({
      inputTokens: 12n,
      cachedInputTokens: 8n,
      outputTokens: 2n,
      costNanodollars: 8800n,
      modelCalls: 1n,
    });
  });

  test("sends the wire bytes of every message as they are, with the tenant's salt", async () => {
    engine.answer = () => streamOf(helloStream);
    const odd = new TextEncoder().encode(
      '{"role":"assistant", "content":"x","sig":12345678901234567890}',
    );
    const kept = { role: Role.ASSISTANT, parts: [], wire: { format: "openai-chat", data: odd } };
    await generate({
      model: "huge",
      messages: [...messages, kept],
      tools: [{ name: "add", description: "adds", parametersJson: '{"type":"object"}' }],
      sampling: { maxOutputTokens: 7, temperature: 0, seed: 9007199254740993n, stop: ["x"] },
    });
    const sent = engine.seen[0]?.body ?? "";
    expect(sent).toContain(new TextDecoder().decode(odd));
    expect(sent).toContain('"seed":9007199254740993');
    expect(JSON.parse(sent)).toMatchObject({
      model: "tiny",
      cache_salt: "acme",
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 7,
      temperature: 0,
      stop: ["x"],
      messages: [{ role: "system" }, { role: "user" }, { role: "assistant" }],
      tools: [{ type: "function", function: { name: "add", parameters: { type: "object" } } }],
    });
  });

  test("refuses wire bytes that would break out of their place", async () => {
    const data = new TextEncoder().encode(
      '{"role":"user","content":""}],"cache_salt":"other","x":[{}',
    );
    const evil = { role: Role.USER, parts: [], wire: { format: "openai-chat", data } };
    expect(await reasonOf(generate({ messages: [evil] }))).toBe("rejected-invalid");
    expect(engine.seen.length).toBe(0);
  });

  test("puts several tool calls together out of their fragments", async () => {
    const call = (index: number, fragment: object) =>
      chunk({ tool_calls: [{ index, ...fragment }] });
    engine.answer = () =>
      streamOf([
        chunk({ role: "assistant", content: null, reasoning: "hmm" }),
        call(0, { id: "a", type: "function", function: { name: "add", arguments: "" } }),
        call(0, { function: { arguments: '{"x":' } }),
        call(1, { id: "b", type: "function", function: { name: "sub", arguments: "{}" } }),
        call(0, { function: { arguments: "1}" } }),
        chunk({}, "stop"),
        usageChunk(5, 9),
        done,
      ]);
    const events = await generate({ messages });
    expect(events.filter(({ case: kind }) => kind === "reasoningDelta").length).toBe(1);
    const finished = events.at(-1);
    expect(finished?.case === "finished" && finished.value.finishReason).toBe("tool_calls");
    const parts = finished?.case === "finished" ? finished.value.message?.parts : [];
    expect(parts?.map(({ kind }) => kind.value)).toMatchObject([
      { callId: "a", name: "add", argumentsJson: '{"x":1}' },
      { callId: "b", name: "sub", argumentsJson: "{}" },
    ]);
    const deltas = events.flatMap((event) => (event.case === "toolCallDelta" ? [event.value] : []));
    expect(deltas.map(({ index, callId }) => [index, callId])).toEqual([
      [0, "a"],
      [0, ""],
      [1, "b"],
      [0, ""],
    ]);
  });

  test("reads what a real engine streams", async () => {
    const recording = readRecording("chat-tools-required-stream");
    engine.answer = () => streamOf([recording.body]);
    const finished = (await generate({ messages })).at(-1);
    const message = finished?.case === "finished" ? finished.value.message : undefined;
    expect(message?.parts[0]?.kind).toMatchObject({
      case: "toolCall",
      value: { name: "get_weather" },
    });
    expect(message === undefined ? 0 : messageHash(message).length).toBe(32);
  });

  test("ends a cut stream with an error, never with an end", async () => {
    engine.answer = () => streamOf([chunk({ content: "hel" }), done]);
    expect(await reasonOf(generate({ messages }))).toBe("failed-upstream-cut");
  });

  test("gives errors their reasons", async () => {
    const { body, status } = readRecording("err-too-long-prompt");
    engine.answer = () => new Response(body, { status });
    expect(await reasonOf(generate({ messages }))).toBe("failed-context-length");
    expect(await reasonOf(generate({ messages, model: "nope" }))).toBe("rejected-no-model");
    engine.answer = () => new Response("{}", { status: 503 });
    expect(await reasonOf(generate({ messages }))).toBe("failed-upstream-busy");
  });

  test("over native gRPC, leaving frees the engine", async () => {
    engine.answer = () => streamOf([chunk({ content: "x" })], { hangsAtEnd: true });
    const transport = createServiceTransport({ url: `http://127.0.0.1:${proxy.proxy.grpcPort}` });
    const client = createServiceClient(InferenceService, transport, {
      signer: createTestSigner(),
      tracing: tracingOff,
      timeoutMs: 5000,
    });
    for await (const { event } of client.generate({ messages }, { principal })) {
      if (event.case === "textDelta") {
        break;
      }
    }
    for (let round = 0; round < 100 && engine.left === 0; round += 1) {
      await Bun.sleep(10);
    }
    expect(engine.left).toBe(1);
    transport.close();
  });
});

describe("the rest of InferenceService", () => {
  test("embeds texts in their order", async () => {
    engine.answer = () =>
      Response.json({
        data: [
          { index: 1, embedding: [3, 4] },
          { index: 0, embedding: [1, 2] },
        ],
        usage: { prompt_tokens: 4, total_tokens: 4 },
      });
    const { model, embeddings } = await proxy.inference.embed({ texts: ["a", "b"] }, { principal });
    expect(model).toBe("tiny-embed");
    expect(embeddings.map(({ values }) => values)).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(await reasonOf(proxy.inference.embed({ texts: ["a"] }, { principal }))).toBe(
      "it succeeded",
    );
    expect(await reasonOf(proxy.inference.embed({ texts: ["a", "b", "c"] }, { principal }))).toBe(
      "failed-upstream-protocol",
    );
  });

  test("has booked a call once it is closed, though that be in the very turn of its answer", async () => {
    engine.answer = () => streamOf(helloStream);
    await generate({ messages });
    await proxy.close();
    expect(await proxy.metrics.text()).toMatch(/_calls_total\{.*outcome="done".*\} 1$/m);
  });

  test("shows replicas with their engine's own load, and explains a route", async () => {
    engine.answer = () => streamOf(helloStream);
    await generate({ messages });
    // Its books are closed behind its answer, at the end of the turn.
    await new Promise<void>((resolve) => void setImmediate(resolve));
    const { replicas } = await proxy.inference.listReplicas({}, { principal });
    expect(replicas[0]).toMatchObject({
      name: engine.name,
      healthy: true,
      engine: "vllm 0.32.0",
      engineRunning: 16,
      engineWaiting: 0,
      simulated: true,
      inFlight: 0,
    });
    const route = await proxy.inference.explainRoute({ messages, model: "small" }, { principal });
    expect(route.replica).toBe(engine.name);
    expect(route.reason).toContain("served 2 of this conversation's messages");
    const none = await proxy.inference.explainRoute({ model: "nope" }, { principal });
    expect(none.replica).toBe("");
    expect(none.candidates[0]?.excludedReason).toBe("it does not serve the model");
    const { models } = await proxy.inference.listModels({}, { principal });
    expect(models.map(({ name }) => name)).toEqual(["tiny", "tiny-embed"]);
  });
});
