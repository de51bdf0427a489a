import { describe, expect, test } from "bun:test";
import { systemClock } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { readTestdata, startFakeEngine } from "../testing/index.ts";
import { parseUpstreamError } from "./error-body.ts";
import { failureOfStatus } from "./failure.ts";
import { probeReplica } from "./probe.ts";
import { parseEngineMetrics } from "./prometheus.ts";
import { parseReplicaAddresses } from "./replica.ts";
import { createWatchdog } from "./watchdog.ts";

describe("parseEngineMetrics()", () => {
  test("reads a real engine's page, and adds up the engines behind one address", () => {
    expect(parseEngineMetrics(readTestdata("metrics-under-load.txt").toString())).toEqual({
      running: 16,
      waiting: 0,
      kvCacheUsage: 0.28180039138943247,
      kvCacheTokens: 16_384,
      blockTokens: 32,
    });
    const two = parseEngineMetrics(readTestdata("metrics-dp2-two-api-servers.txt").toString());
    expect(two?.kvCacheTokens).toBe(16_384);
    expect(two?.adapters).toBeUndefined();
    const page = readTestdata("metrics-dp2-two-api-servers.txt").toString();
    expect(parseEngineMetrics(page, 1)?.kvCacheTokens).toBe(8192);
    expect(parseEngineMetrics(page, 2)?.kvCacheTokens).toBeUndefined();
    expect(parseEngineMetrics("process_cpu_seconds_total 1\n")).toBeUndefined();
  });
});

test("of the adapters in use an engine's latest word counts", () => {
  const page = [
    'vllm:num_requests_running{engine="0",model_name="tiny"} 3.0',
    'vllm:lora_requests_info{max_lora="4",running_lora_adapters="",waiting_lora_adapters=""} 1.795e+09',
    'vllm:lora_requests_info{max_lora="4",running_lora_adapters="sql,rust",waiting_lora_adapters="go,sql"} 1.7950001e+09',
    'vllm:lora_requests_info{max_lora="4",running_lora_adapters="go",waiting_lora_adapters=""} 1.7950000e+09',
    "",
  ].join("\n");
  expect(parseEngineMetrics(page)?.adapters).toEqual({ inUse: ["go", "sql", "rust"], slots: 4 });
});

describe("parseReplicaAddresses()", () => {
  test("keeps credentials out of every name, and knows /v1 for what it is", () => {
    const [engine, ollama] = parseReplicaAddresses(
      ["http://user:p%40ss@10.0.0.1:8000/", "http://127.0.0.1:11434/v1"],
      "sk-1",
    );
    expect(engine).toEqual({
      name: "10.0.0.1:8000",
      baseUrl: "http://10.0.0.1:8000",
      origin: { host: "10.0.0.1", port: 8000 },
      pathPrefix: "",
      authorization: `Basic ${btoa("user:p@ss")}`,
    });
    expect(ollama).toEqual({
      name: "127.0.0.1:11434",
      baseUrl: "http://127.0.0.1:11434",
      origin: { host: "127.0.0.1", port: 11434 },
      pathPrefix: "",
      authorization: "Bearer sk-1",
    });
    expect(() => parseReplicaAddresses(["ftp://u:secret@x"], undefined)).toThrow(/^(?!.*secret)/);
    expect(() => parseReplicaAddresses(["http://a", "http://a/v1"], undefined)).toThrow("twice");
  });
});

describe("parseUpstreamError()", () => {
  test("tells no more of an endless error than a person would read", () => {
    const long = "x".repeat(1 << 20);
    const error = parseUpstreamError(
      JSON.stringify({ error: { message: long, type: long, code: long, param: long } }),
    );
    expect(JSON.stringify(error).length).toBeLessThan(10_000);
    expect(error?.message).toEndWith("x…");
  });
});

describe("failureOfStatus()", () => {
  test("hears when to come again, in seconds that are some", () => {
    const waits = ["2", "0.5", "1e300", "Infinity", "-1", "soon", null].map(
      (header) => failureOfStatus(503, "busy", header)?.retryAfterMs,
    );
    const day = 86_400_000;
    expect(waits).toEqual([2000, 500, day, day, undefined, undefined, undefined]);
  });
});

describe("probeReplica()", () => {
  test("gives up an upstream whose list or metrics have no end", async () => {
    const endless = () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(1 << 20).fill(0x20)),
        }),
      );
    const models = () => Response.json({ data: [{ id: "tiny", owned_by: "vllm" }] });
    for (const bad of ["/v1/models", "/version", "/metrics"]) {
      const server = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: ({ url }) => {
          const path = new URL(url).pathname;
          if (path === bad) {
            return endless();
          }
          return path === "/v1/models" ? models() : new Response("");
        },
      });
      const [address] = parseReplicaAddresses([`http://127.0.0.1:${server.port}`], undefined);
      if (address === undefined) {
        throw new Error("one address was given");
      }
      const asked = probeReplica(address, { timeoutMs: 10_000, modelsMax: 10 }, systemClock);
      await expect(asked).rejects.toThrow("at most 8388608 bytes");
      await server.stop(true);
    }
  });

  const limits = { timeoutMs: 1000, modelsMax: 10 };

  test("tells vLLM from a server that only speaks OpenAI's API", async () => {
    const vllm = startFakeEngine();
    const other = startFakeEngine({ isVllm: false });
    const [first, second] = parseReplicaAddresses([vllm.url, other.url], undefined);
    if (first === undefined || second === undefined) {
      throw new Error("two addresses were given");
    }
    expect(await probeReplica(first, limits, systemClock)).toMatchObject({
      kind: "vllm",
      engine: "vllm 0.32.0",
      isSimulated: false,
      models: [{ id: "tiny", contextTokens: 4096 }],
    });
    expect(await probeReplica(second, limits, systemClock)).toMatchObject({
      kind: "openai",
      healthy: true,
      engine: "",
    });
    vllm.health = 503;
    expect(probeReplica(first, limits, systemClock)).rejects.toThrow("GET /health answered 503");
    await Promise.all([vllm.stop(), other.stop()]);
  });
});

describe("parseUpstreamError()", () => {
  test("reads the shapes in which engines complain", () => {
    const message = (text: string) => parseUpstreamError(text)?.message;
    expect(message('{"error":{"message":"a","code":400}}')).toBe("a");
    expect(message('{"error":"Unauthorized"}')).toBe("Unauthorized");
    expect(message('{"detail":"Not Found"}')).toBe("Not Found");
    expect(message('{"detail":[{"loc":["body"]}]}')).toBe('[{"loc":["body"]}]');
    expect(message('{"choices":[]}')).toBeUndefined();
    expect(message("<html>")).toBeUndefined();
  });
});

describe("createWatchdog()", () => {
  test("calls once when nothing came in time, and never while paused or stopped", async () => {
    const clock = createManualClock();
    const watchdog = createWatchdog({ clock, tickMs: 10 });
    let due = 0;
    const watch = watchdog.watch(50, () => {
      due += 1;
    });
    const stopped = watchdog.watch(50, () => {
      due += 100;
    });
    stopped.stop();
    for (let tick = 0; tick < 4; tick += 1) {
      await clock.advance(10);
    }
    watch.pause();
    for (let tick = 0; tick < 10; tick += 1) {
      await clock.advance(10);
    }
    expect(due).toBe(0);
    watch.touch();
    for (let tick = 0; tick < 10; tick += 1) {
      await clock.advance(10);
    }
    expect(due).toBe(1);
    watchdog.close();
  });

  test("goes on with all others when one throws, which is called again", async () => {
    const clock = createManualClock();
    const faults: unknown[] = [];
    const watchdog = createWatchdog({ clock, tickMs: 10, onFault: (error) => faults.push(error) });
    const due: string[] = [];
    watchdog.watch(10, () => {
      due.push("broken");
      if (faults.length === 0) {
        throw new Error("a fault");
      }
    });
    watchdog.watch(20, () => {
      due.push("other");
    });
    for (let tick = 0; tick < 4; tick += 1) {
      await clock.advance(10);
    }
    expect(faults.map(String)).toEqual(["Error: a fault"]);
    expect(due.toSorted()).toEqual(["broken", "broken", "other"]);
    watchdog.close();
  });
});

test("an upstream's error costs no more than its length, whatever it says", () => {
  const error = { type: "internal_error", message: "{'error': ".repeat(400_000) };
  // The square of it would take an hour.
  expect(parseUpstreamError(JSON.stringify({ error }))?.type).toBe("internal_error");
});
