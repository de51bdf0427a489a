import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type CollectedSpan,
  startTraceCollector,
  type TraceCollector,
} from "@warmpath/runtime/testing";
import { kindsOf, showcaseText, watchToEnd, webClient } from "./clients.ts";
import { type System, startSystem } from "./system.ts";

/*
 * Goal: one task is one trace, from the request that submitted it to each try of each upstream,
 * whatever process a span was made in. Method: a real OTLP collector; the spans of the submitting
 * request's trace, as a tree.
 */

const timeoutMs = 60_000;
/** Spans leave in batches, once a second. */
const arriveWithinMs = 15_000;

let collector: TraceCollector;
let system: System;

beforeAll(async () => {
  collector = await startTraceCollector();
  // A batch that failed to leave would be lost, and the test would say so.
  system = await startSystem({ env: { WARMPATH_OTLP_URL: collector.url } });
}, timeoutMs);

afterAll(async () => {
  await system.stop();
  collector.close();
});

/** A trace id and parent that no other test has, as a caller that traces sends it. */
function newTraceparent(): { traceId: string; spanId: string; header: string } {
  const hex = crypto.randomUUID().replaceAll("-", "");
  const [traceId, spanId] = [hex, hex.slice(0, 16)];
  return { traceId, spanId, header: `00-${traceId}-${spanId}-01` };
}

/** The trace's spans once `isComplete` says that all have come. */
async function spansOf(
  traceId: string,
  isComplete: (spans: readonly CollectedSpan[]) => boolean,
): Promise<readonly CollectedSpan[]> {
  const deadline = performance.now() + arriveWithinMs;
  for (;;) {
    const spans = collector.spans.filter((span) => span.traceId === traceId);
    if (isComplete(spans)) {
      return spans;
    }
    if (performance.now() > deadline) {
      throw new Error(`the trace is not complete:\n${drawn(spans)}`);
    }
    await Bun.sleep(100);
  }
}

function drawn(spans: readonly CollectedSpan[]): string {
  return spans.map((s) => `${s.parentId || "-"} → ${s.spanId} ${s.kind} ${s.name}`).join("\n");
}

/** Names from a span up to the one that has no parent among the collected. */
function pathOf(span: CollectedSpan, byId: ReadonlyMap<string, CollectedSpan>): CollectedSpan[] {
  const path = [span];
  for (let at = byId.get(span.parentId); at !== undefined; at = byId.get(at.parentId)) {
    path.push(at);
    if (path.length > byId.size) {
      throw new Error("the parents run in a circle");
    }
  }
  return path;
}

const isAttempt = (span: CollectedSpan) =>
  span.kind === "client" && span.attributes["warmpath.attempt"] !== undefined;

const isGenerate = ({ name, kind }: CollectedSpan) =>
  name.endsWith("InferenceService/Generate") && kind === "server";

/** Ended, which is the last span of a run to be sent. */
const hasRun = (spans: readonly CollectedSpan[]) =>
  spans.some(({ name }) => name.startsWith("invoke_agent")) && hasArrived(spans);

/** Every parent but the caller's is there. */
function hasArrived(spans: readonly CollectedSpan[]): boolean {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  return spans.filter(({ parentId }) => !ids.has(parentId)).length <= 1;
}

describe("the trace of a task", () => {
  test(
    "is one tree from the gateway's SubmitTask through tools and Generate to each upstream attempt",
    async () => {
      const { traceId, spanId, header } = newTraceparent();
      const client = webClient(system);
      const { taskId } = await client.submitTask(
        { agent: "assistant", message: { text: showcaseText } },
        { headers: { traceparent: header } },
      );
      const watched = await watchToEnd(client, taskId);
      expect(kindsOf(watched).at(-1)).toBe("completed");
      const modelCalls = kindsOf(watched).filter((kind) => kind === "modelAnswered").length;
      // The last call's spans may leave a batch later than the run's: nothing is below them.
      const spans = await spansOf(
        traceId,
        (all) => hasRun(all) && all.filter(isGenerate).length >= modelCalls,
      );
      const byId = new Map(spans.map((span) => [span.spanId, span]));
      const roots = new Set(spans.map((span) => pathOf(span, byId).at(-1)));
      expect([...roots].map((root) => root?.name)).toEqual([
        "warmpath.gateway.v1.AgentService/SubmitTask",
      ]);
      const [root] = [...roots];
      expect(root).toMatchObject({ kind: "server", parentId: spanId });

      const tools = spans.filter(({ name }) => name.startsWith("execute_tool"));
      expect(tools.map(({ name }) => name).sort()).toEqual([
        "execute_tool calculator",
        "execute_tool knowledge_search",
      ]);
      expect(spans.filter(isGenerate).length).toBe(modelCalls);
      // The search embeds its query, which is an attempt too.
      const attempts = spans.filter((span) => isAttempt(span) && span.name.startsWith("chat "));
      expect(attempts.length).toBe(modelCalls);
      for (const attempt of attempts) {
        const path = pathOf(attempt, byId).map(({ name }) => name);
        expect(path[0]).toStartWith("chat ");
        expect(path[1]).toEndWith("InferenceService/Generate");
        expect(path).toContain("invoke_agent assistant");
        expect(attempt.attributes["warmpath.task.id"]).toBe(taskId);
      }
      for (const name of ["step call_model", "step execute_tools"]) {
        const steps = spans.filter((span) => span.name === name);
        const numbers = steps.map(({ attributes }) => Number(attributes["warmpath.step"]));
        expect(numbers.sort()).toEqual(name === "step call_model" ? [1, 2, 3] : [1, 2]);
      }
      for (const tool of tools) {
        expect(pathOf(tool, byId).map(({ name }) => name)).toContain("invoke_agent assistant");
      }
    },
    timeoutMs,
  );

  test(
    "begins at /chat as well, which continues its caller's",
    async () => {
      const { traceId, spanId, header } = newTraceparent();
      const response = await fetch(`${system.gatewayUrl}/chat`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${system.key}`,
          traceparent: header,
        },
        body: JSON.stringify({ message: "What is 2 + 2?", thread_id: crypto.randomUUID() }),
      });
      expect(await response.text()).toContain("event: done");
      const spans = await spansOf(traceId, hasRun);
      const byId = new Map(spans.map((span) => [span.spanId, span]));
      const roots = new Set(spans.map((span) => pathOf(span, byId).at(-1)));
      expect([...roots].map((root) => root?.name)).toEqual(["POST /chat"]);
      expect([...roots][0]).toMatchObject({ kind: "server", parentId: spanId });
      expect(spans.filter(isAttempt).length).toBeGreaterThan(0);
    },
    timeoutMs,
  );

  test(
    "marks the log lines of its run with its id and the task's",
    async () => {
      const { traceId, header } = newTraceparent();
      const client = webClient(system);
      const { taskId } = await client.submitTask(
        { agent: "assistant", message: { text: "What is 3 + 4?" } },
        { headers: { traceparent: header } },
      );
      await watchToEnd(client, taskId);
      const { key } = system;
      const direct = newTraceparent();
      const answered = await fetch(`${system.proxyUrl}/v1/chat/completions`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${key}`,
          traceparent: direct.header,
        },
        body: JSON.stringify({ messages: [{ role: "user", content: "hi" }], stream: true }),
      });
      await answered.text();
      await Bun.sleep(200);
      const lines = system
        .output()
        .split("\n")
        .filter((line) => line.startsWith("{"))
        // Our own lines of JSON.
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      const calls = lines.filter((line) => line["message"] === "model call");
      const ofTask = calls.filter((line) => line["task_id"] === taskId);
      expect(ofTask.length).toBeGreaterThan(0);
      expect(ofTask.map((line) => line["trace_id"])).toEqual(ofTask.map(() => traceId));
      expect(calls.filter((line) => line["trace_id"] === direct.traceId).length).toBe(1);
      const runLines = lines.filter(
        (line) => line["task_id"] === taskId && line["service"] === "orchestrator",
      );
      expect(runLines.length).toBeGreaterThan(0);
      expect(runLines.filter((line) => line["trace_id"] !== traceId)).toEqual([]);
    },
    timeoutMs,
  );
});
