import { describe, expect, test } from "bun:test";
import { createMetrics } from "@warmpath/runtime";
import { silentLogger } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { createInferenceProxyMetrics } from "../metrics.ts";
import { startPodFollower } from "../upstream/follow-pods.ts";
import { parseUpstreams } from "../upstream/pod-places.ts";
import { createPool } from "../upstream/pool.ts";
import { declaredModels } from "./models.ts";
import { createModelReport } from "./report-load.ts";

const keptMs = 1000;

function start({ modelsWanted = [] as string[], upstream = "http://solid:1" } = {}) {
  const metrics = createMetrics("inference-proxy");
  const clock = createManualClock();
  const pool = createPool({ addresses: parseUpstreams([upstream], undefined, 1), inFlightMax: 1 });
  const named = { modelTiers: ["small=tiny"], defaultModel: undefined, embeddingModel: undefined };
  const report = createModelReport(createInferenceProxyMetrics(metrics), {
    ...{ pool, clock, keptMs },
    declared: declaredModels({ ...named, modelsWanted }),
  });
  const reported = async () => {
    report();
    const lines = (await metrics.text()).matchAll(/_model_replicas\{model="(\w+)".*\} (\d+)$/gm);
    return Object.fromEntries([...lines].map(([, model, count]) => [model, Number(count)]));
  };
  const serve = (name: string, id: string) =>
    pool.update(name, { healthy: true, models: [{ id, contextTokens: 8192 }] });
  return { clock, pool, reported, serve };
}

describe("how many replicas a model has", () => {
  test("is 0 from the start for one that configuration names, and never forgotten", async () => {
    const { clock, reported, serve } = start({ modelsWanted: ["qwen"] });
    expect(await reported()).toEqual({ qwen: 0, tiny: 0 });
    serve("solid:1", "qwen");
    expect(await reported()).toEqual({ qwen: 1, tiny: 0 });
    serve("solid:1", "other");
    await clock.advance(10 * keptMs);
    expect(await reported()).toEqual({ qwen: 0, tiny: 0, other: 1 });
  });

  test("is 0 for as long as an upstream is out that served it", async () => {
    const { clock, pool, reported, serve } = start();
    serve("solid:1", "qwen");
    expect(await reported()).toEqual({ tiny: 0, qwen: 1 });
    pool.update("solid:1", { healthy: false });
    await clock.advance(10 * keptMs);
    expect(await reported()).toEqual({ tiny: 0, qwen: 0 });
  });

  test("is 0 for a while after its engine serves another, and then it is no model any more", async () => {
    const { clock, reported, serve } = start();
    serve("solid:1", "qwen");
    await reported();
    serve("solid:1", "llama");
    await clock.advance(keptMs);
    expect(await reported()).toEqual({ tiny: 0, qwen: 0, llama: 1 });
    await clock.advance(1);
    expect(await reported()).toEqual({ tiny: 0, llama: 1 });
    serve("solid:1", "qwen");
    expect(await reported()).toEqual({ tiny: 0, qwen: 1, llama: 0 });
  });

  test("goes as well when the pods behind a name were scaled away, though their places stay", async () => {
    const { clock, pool, reported, serve } = start({ upstream: "dns://vllm.svc:1" });
    let ips = ["10.0.0.1"];
    const follower = startPodFollower({
      ...{ pool, clock, log: silentLogger },
      limits: { intervalMs: 100, timeoutMs: 1000 },
      onMove: () => undefined,
      lookUp: async () => ips,
    });
    await follower.firstRound;
    serve("vllm.svc:1~0", "qwen");
    expect(await reported()).toEqual({ tiny: 0, qwen: 1 });
    ips = [];
    pool.update("vllm.svc:1~0", { healthy: false });
    for (let round = 0; round < 6; round += 1) {
      await clock.advance(100);
    }
    expect(await reported()).toEqual({ tiny: 0, qwen: 0 });
    await clock.advance(keptMs);
    expect(await reported()).toEqual({ tiny: 0 });
    follower.close();
  });
});
