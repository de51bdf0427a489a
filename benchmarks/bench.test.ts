/**
 * Goal: no bench rots between the days that somebody runs it for its figures.
 * Method: run each on its smallest plan against the real system and look at everything but the
 * speed.
 */
import { expect, test } from "bun:test";
import { runDurable, tinyPlan as tinyDurable } from "./durable/durable.ts";
import { runNativeGrpc, tinyPlan as tinyNativeGrpc } from "./native-grpc/native-grpc.ts";
import { medianOf, quantileOf } from "./report/statistics.ts";

/** Cold starts of an embedded database on a busy machine. */
const bootTimeoutMs = 180_000;
const onProgress = () => undefined;

test(
  "durable: every five-step task ends with the right answer",
  async () => {
    const report = await runDurable(tinyDurable, { withServers: false, onProgress });
    expect(report.rounds).toMatchObject([{ storage: "embedded", tasks: 4, failures: [] }]);
  },
  bootTimeoutMs,
);

test(
  "native-grpc: both servers answer calls and streams",
  async () => {
    const report = await runNativeGrpc(tinyNativeGrpc, { onProgress });
    expect(report.rounds).toHaveLength(2);
    for (const { value } of report.figures) expect(value).toBeGreaterThan(0);
  },
  bootTimeoutMs,
);

test("quantiles are nearest rank, the median of two rounds is their mean", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0.5, 0.99, 1].map((quantile) => quantileOf(hundred, quantile))).toEqual([50, 99, 100]);
  expect(quantileOf([], 0.5)).toBeNaN();
  expect([medianOf([3, 1, 2]), medianOf([1, 4])]).toEqual([2, 2.5]);
});
