import { expect, test } from "bun:test";
import { createMetrics } from "@warmpath/runtime";
import { createInferenceProxyMetrics } from "../metrics.ts";
import { createModelReport } from "./report-load.ts";

test("a model that has lost its last replica is reported with none, also when nobody lists it", async () => {
  const metrics = createMetrics("inference-proxy");
  let healthyReplicas = 2;
  let isListed = true;
  const report = createModelReport(createInferenceProxyMetrics(metrics), {
    list: () => (isListed ? [{ id: "qwen", contextTokens: 8192, healthyReplicas }] : []),
  });
  const reported = async () => {
    report();
    const text = await metrics.text();
    return /^warmpath_inference_proxy_model_replicas\{.*\} (\d+)$/m.exec(text)?.[1];
  };
  expect(await reported()).toBe("2");
  healthyReplicas = 0;
  expect(await reported()).toBe("0");
  healthyReplicas = 1;
  expect(await reported()).toBe("1");
  isListed = false;
  expect(await reported()).toBe("0");
});
