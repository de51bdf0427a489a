// Goal: a failure is told of the engine that failed, and of no other that has its place by then.

import { expect, test } from "bun:test";
import { createMetrics } from "@warmpath/runtime";
import { silentLogger } from "@warmpath/runtime/base";
import { createTokenRatios } from "../learn/index.ts";
import { createInferenceProxyMetrics } from "../metrics.ts";
import { parseUpstreams, placeOfPod } from "../upstream/pod-places.ts";
import { createPool } from "../upstream/pool.ts";
import { noteAttempt } from "./note-attempt.ts";

test("a pod that has the place of one that could not be reached stays healthy", () => {
  const pool = createPool({
    addresses: parseUpstreams(["dns://vllm.svc:8000"], undefined, 1),
    inFlightMax: 1,
  });
  const name = "vllm.svc:8000~0";
  const arrive = (ip: string) => {
    const { address } = pool.find(name) ?? {};
    if (address?.pod === undefined) throw new Error("the place is missing");
    pool.move(name, placeOfPod(address, address.pod, ip));
    pool.update(name, { healthy: true });
    return pool.find(name)!;
  };
  let noted = 0;
  const fail = (replica: ReturnType<typeof arrive>) =>
    noteAttempt(
      {
        log: silentLogger,
        metrics: createInferenceProxyMetrics(createMetrics("inference-proxy")),
        pool,
        breakers: { note: () => (noted += 1) },
        ratios: createTokenRatios({ modelsMax: 1 }),
      },
      { requestId: "r", model: "tiny", bodyBytes: 1 },
      {
        replica,
        sentAtMs: 0,
        answeredAtMs: 1,
        attempt: {
          kind: "failed",
          failure: { kind: "unreachable", message: "nobody there", retryAfterMs: undefined },
        },
      },
    );
  const before = arrive("10.0.0.1");
  const now = arrive("10.0.0.2");
  fail(before);
  expect([pool.endpoints[0]?.healthy, noted]).toEqual([true, 0]);
  fail(now);
  expect([pool.endpoints[0]?.healthy, noted]).toEqual([false, 1]);
});
