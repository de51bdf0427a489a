/**
 * Goal: no bench rots between the days that somebody runs it for its figures.
 * Method: run each on its smallest plan against the real system and look at everything but the
 * speed.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { runDurable, tinyPlan as tinyDurable } from "./durable/durable.ts";
import { findK6 } from "./k6/find-k6.ts";
import { writeProtoset } from "./k6/protoset.ts";
import { runScenario } from "./k6/run-scenario.ts";
import { runNativeGrpc, tinyPlan as tinyNativeGrpc } from "./native-grpc/native-grpc.ts";
import { completeStatus } from "./overhead/http-connection.ts";
import { runOverhead, tinyPlan as tinyOverhead } from "./overhead/overhead.ts";
import { formatReport } from "./report/report.ts";
import { medianOf, quantileOf } from "./report/statistics.ts";

/** Cold starts of an embedded database on a busy machine. */
const bootTimeoutMs = 180_000;
const onProgress = () => undefined;

test(
  "overhead: every contender answers every request, and the report names what it does not measure",
  async () => {
    const report = await runOverhead(tinyOverhead, { mayInstall: false, onProgress });
    const failures = report.figures.filter(({ name }) => name.endsWith(".failures"));
    expect(failures.map(({ value }) => value)).toEqual(failures.map(() => 0));
    expect(report.rounds).toHaveLength(3 - report.absent.length);
    expect(formatReport(report)).toContain("Not measured:");
  },
  bootTimeoutMs,
);

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

describe("k6", () => {
  test("the descriptor set holds the gateway's service and all that it imports", () => {
    const folder = mkdtempSync(join(tmpdir(), "warmpath-protoset-"));
    const path = join(folder, "set");
    writeProtoset(path);
    const { file } = fromBinary(FileDescriptorSetSchema, readFileSync(path));
    rmSync(folder, { recursive: true });
    const seen = new Set<string>();
    for (const { name, dependency } of file) {
      for (const imported of dependency) expect(seen).toContain(imported);
      seen.add(name);
    }
    expect(seen).toContain("warmpath/gateway/v1/agent_service.proto");
  });

  test(
    "agent-conversation: sessions run without a failed turn, where k6 is at hand",
    async () => {
      const k6 = await findK6({ mayBuild: false });
      if ("absent" in k6) {
        console.warn(`agent-conversation: ${k6.absent}`);
        return;
      }
      const { report } = await runScenario(
        k6,
        {
          scenario: "agent-conversation",
          durationSeconds: 2,
          sessionsPerSecond: 0.5,
          sessionsMax: 5,
          thinkSeconds: 0,
          replicas: 1,
        },
        onProgress,
      );
      expect(report.table).toMatch(/sessions [1-9]\d*, dropped 0, failed turns 0/);
      expect(report.table).toMatch(/turn_failures rate==0 +held/);
      expect(report.table).toMatch(/checks rate==1 +held/);
    },
    bootTimeoutMs,
  );
});

describe("the load generator's eye for the end of an answer", () => {
  const cases: [string, string, number | undefined][] = [
    ["whole, by length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200],
    ["cut, by length", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", undefined],
    ["without a body", "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", 503],
    [
      "whole, in chunks",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
      200,
    ],
    [
      "cut, in chunks",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
      undefined,
    ],
    ["cut in its head", "HTTP/1.1 200 OK\r\ncontent-le", undefined],
  ];
  for (const [name, text, status] of cases) {
    test(name, () => expect(completeStatus(Buffer.from(text))).toBe(status));
  }
});

test("quantiles are nearest rank, the median of two rounds is their mean", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  expect([0.5, 0.99, 1].map((quantile) => quantileOf(hundred, quantile))).toEqual([50, 99, 100]);
  expect(quantileOf([], 0.5)).toBeNaN();
  expect([medianOf([3, 1, 2]), medianOf([1, 4])]).toEqual([2, 2.5]);
});
