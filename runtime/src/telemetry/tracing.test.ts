import { expect, test } from "bun:test";
import { createLogger, silentLogger } from "../base/index.ts";
import { createServiceClient } from "../rpc/client.ts";
import { EchoService } from "../testing/echo-service.ts";
import { startRpcFixture, transportNames } from "../testing/rpc-fixture.ts";
import { createTestSigner, testPrincipal } from "../testing/test-signer.ts";
import { startTraceCollector } from "../testing/trace-collector.ts";
import { withLogFields } from "./ambient.ts";
import { createTracing, tracingOff } from "./tracing.ts";

const principal = testPrincipal();

test("one trace runs from the caller through the server to what the server calls", async () => {
  // Goal: spans of client, server and inner work arrive at a collector as one tree, by every
  // transport. Method: a real OTLP endpoint, a unary and a streamed call through each transport,
  // then flush and look.
  const collector = await startTraceCollector();
  const tracing = createTracing({ service: "test", otlpUrl: collector.url, batchDelayMs: 10 });
  const upstreamHeaders: string[] = [];
  const fixture = await startRpcFixture(
    (router) =>
      router.service(EchoService, {
        say: (request) =>
          tracing.span("inner", {}, async () => {
            upstreamHeaders.push(tracing.headers()["traceparent"] ?? "none");
            return { value: request.value };
          }),
        async *repeat(request) {
          yield request;
          yield await tracing.span("inner stream", {}, async () => request);
        },
      }),
    { tracing },
  );
  for (const name of transportNames) {
    const client = createServiceClient(EchoService, fixture.transport(name), {
      signer: createTestSigner(),
      tracing,
      timeoutMs: 2000,
    });
    await tracing.span(`root ${name}`, {}, async () => {
      await client.say({ value: "x" }, { principal });
      for await (const _ of client.repeat({ value: "x" }, { principal })) {
        // Only the spans matter.
      }
    });
  }
  await fixture.close();
  await tracing.close();
  collector.close();
  for (const name of transportNames) {
    const root = collector.spans.find((span) => span.name === `root ${name}`);
    const inTrace = collector.spans.filter((span) => span.traceId === root?.traceId);
    const depthOf = (id: string): number => {
      const span = inTrace.find((each) => each.spanId === id);
      return span === undefined ? 0 : 1 + depthOf(span.parentId);
    };
    const tree = inTrace.map((span) => `${depthOf(span.spanId)} ${span.name}`).sort();
    expect(tree).toEqual(
      [
        `1 root ${name}`,
        "2 warmpath.test.v1.EchoService/Repeat",
        "2 warmpath.test.v1.EchoService/Say",
        "3 warmpath.test.v1.EchoService/Repeat",
        "3 warmpath.test.v1.EchoService/Say",
        "4 inner",
        "4 inner stream",
      ].sort(),
    );
  }
  expect(upstreamHeaders).toHaveLength(transportNames.length);
  expect(upstreamHeaders[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});

test("log lines carry the ids of the work they belong to", async () => {
  const collector = await startTraceCollector();
  const tracing = createTracing({ service: "test", otlpUrl: collector.url });
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => lines.push(JSON.parse(line));
  const log = createLogger({ service: "test", level: "info", format: "json", write });
  log.info("outside");
  await tracing.span("work", {}, () =>
    withLogFields({ task_id: "task_1" }, async () => {
      await Promise.resolve();
      log.info("inside");
    }),
  );
  await tracing.close();
  collector.close();
  expect(lines[0]).not.toHaveProperty("trace_id");
  expect(lines[1]).toMatchObject({ message: "inside", task_id: "task_1" });
  expect(lines[1]?.["trace_id"]).toMatch(/^[0-9a-f]{32}$/);
});

test("without a collector nothing is recorded, but a caller's trace passes through", async () => {
  const seen: string[] = [];
  const fixture = await startRpcFixture(
    (router) =>
      router.service(EchoService, {
        say: async (request) => {
          seen.push(tracingOff.headers()["traceparent"] ?? "none");
          return request;
        },
      }),
    { log: silentLogger },
  );
  const client = createServiceClient(EchoService, fixture.transport("gRPC"), {
    signer: createTestSigner(),
    tracing: tracingOff,
    timeoutMs: 2000,
  });
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  await client.say({ value: "x" }, { principal, headers: { traceparent } });
  await client.say({ value: "x" }, { principal });
  await fixture.close();
  expect(seen).toEqual([traceparent, "none"]);
});

test("a collector that is away delays nobody and loses only spans", async () => {
  const tracing = createTracing({ service: "test", otlpUrl: "http://127.0.0.1:1" });
  const startMs = performance.now();
  await tracing.span("work", {}, async () => undefined);
  expect(performance.now() - startMs).toBeLessThan(200);
  await tracing.close();
}, 10_000);
