/**
 * Goal: no scenario rots between the days that somebody runs it.
 * Method: what is pure is held to examples; the scenarios run for seconds where k6 is at hand.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { piecesOf } from "../replica/tokenizer.ts";
import { drawSessions } from "./draw-sessions.ts";
import { findK6 } from "./find-k6.ts";
import { readChatEvents } from "./lib/chat-events.ts";
import { summaryPage } from "./lib/html.ts";
import { type K6Summary, serveSummary, thresholdResults } from "./lib/serve-summary.ts";
import { textOf } from "./lib/text.ts";
import { writeProtoset } from "./protoset.ts";
import { runScenario } from "./run-scenario.ts";
import { scenarios } from "./scenarios.ts";
import { memoryBar } from "./watch-memory.ts";

/** Cold starts of an embedded database on a busy machine, and k6's own. */
const scenarioMsMax = 120_000;

test("the descriptor set holds both services and all that they import", () => {
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
  expect(seen).toContain("warmpath/inference/v1/inference_service.proto");
});

test("a run of tokens is the same text for the same content, and so many tokens for the replica", () => {
  expect(textOf(7, 40)).toBe(textOf(7, 40));
  expect(textOf(7, 40)).not.toBe(textOf(8, 40));
  for (const tokens of [1, 2, 500]) expect(piecesOf(textOf(3, tokens))).toHaveLength(tokens);
});

test("planned sessions continue: a turn's new runs are those after the answer before", () => {
  for (const session of drawSessions({ workload: "chat", count: 20, outputTokensMax: 50 }, 1)) {
    expect(session.turns[0]?.isWhole).toBe(true);
    for (const { fresh, outputTokens } of session.turns) {
      expect(fresh.length).toBeGreaterThan(0);
      expect(outputTokens).toBeLessThanOrEqual(50);
    }
  }
});

test("few tenants give sessions that share a prefix", () => {
  const source = { workload: "rag-lite", count: 60, outputTokensMax: 50 };
  const prefixes = (tenantsMax?: number) =>
    new Set(
      drawSessions({ ...source, ...(tenantsMax === undefined ? {} : { tenantsMax }) }, 1).map(
        ({ turns }) => JSON.stringify(turns[0]?.fresh[0]),
      ),
    ).size;
  expect(prefixes(5)).toBe(5);
  expect(prefixes()).toBeGreaterThan(20);
});

describe("a streamed chat completion", () => {
  const piece = (ms: number, content: string, finish_reason: string | null = null) => ({
    ms,
    data: JSON.stringify({ choices: [{ delta: { content }, finish_reason }] }),
  });
  test("starts with the first content, not with the role", () => {
    const answer = readChatEvents(
      [piece(5, ""), piece(9, "a"), piece(14, "b", "stop"), { ms: 15, data: "[DONE]" }],
      16,
      false,
    );
    expect(answer).toMatchObject({ timeToFirstTokenMs: 9, gapsMs: [5], text: "ab", endMs: 16 });
  });
  test("fails when it carries an error, breaks off, or says nothing", () => {
    const error = { ms: 1, data: '{"error":{"message":"full"}}' };
    const cases = [
      { events: [error, { ms: 2, data: "[DONE]" }], fault: "full" },
      { events: [piece(1, "a"), { ms: 2, data: "[DONE]" }], fault: "finish reason" },
      { events: [piece(1, "a"), { ms: 2, data: '{"cho' }], fault: "no JSON" },
      { events: [], fault: "without content" },
    ];
    for (const { events, fault } of cases) {
      expect(readChatEvents(events, 3, false)).toMatchObject({
        fault: expect.stringContaining(fault),
      });
    }
    expect(readChatEvents([piece(1, "a")], 3, true)).toMatchObject({ text: "a" });
  });
});

describe("the summary", () => {
  const summary: K6Summary = {
    state: { testRunDurationMs: 2_000 },
    metrics: {
      ttft_ms: {
        values: { count: 2, avg: 3, med: 3, "p(90)": 5, "p(95)": 5, "p(99)": 5 },
        thresholds: { "p(95)<=4": { ok: false } },
      },
      ttft_ms_squares: { values: { count: 26 } },
      ended_turns: { values: { count: 2 } },
      good_turns: { values: { count: 1 } },
      output_tokens: { values: { count: 10 } },
      turn_failures: { values: { passes: 1, rate: 0.3 } },
    },
  };
  test("uses the field names of vllm bench serve, standard deviation included", () => {
    expect(serveSummary(summary, { scenario: "chat", requestRate: 1 })).toMatchObject({
      num_prompts: 3,
      completed: 2,
      failed: 1,
      request_throughput: 1,
      request_goodput: 0.5,
      output_throughput: 5,
      mean_ttft_ms: 3,
      std_ttft_ms: 2,
      p99_ttft_ms: 5,
    });
  });
  test("holds each threshold against the value it names, and the page shows it escaped", () => {
    const thresholds = thresholdResults(summary);
    expect(thresholds).toEqual([
      { metric: "ttft_ms", expression: "p(95)<=4", value: 5, ok: false },
    ]);
    const page = summaryPage({ title: "<b>", facts: {}, thresholds, summary });
    expect(page).toContain("&lt;b&gt;");
    expect(page).toContain("p(95)&lt;=4");
    expect(page).not.toContain("<b>");
  });
});

test("memory that keeps growing breaks its bar, and a warm-up does not", () => {
  const warm = [50, 80, 100, 101, 100, 102, 101, 100];
  const leak = [50, 80, 100, 120, 140, 160, 180, 200];
  expect(memoryBar("soak", warm).ok).toBe(true);
  expect(memoryBar("soak", leak).ok).toBe(false);
});

test.each([
  ["--rate", "0", "--rate must be a number from 0.02 to 100"],
  ["--replicas", "1.5", "--replicas must be a whole number"],
  ["--duration", "", "--duration must be a number"],
  ["--nope", "1", "Unknown option '--nope'"],
])("a wrong call is refused in one line: %s %s", async (flag, value, why) => {
  const run = join(import.meta.dir, "run.ts");
  const child = Bun.spawn([process.execPath, run, "chat", flag, value], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  expect(said).toStartWith(`bench:k6: ${why}`);
  expect(said.trimEnd()).not.toContain("\n");
  expect(await child.exited).toBe(2);
});

test("a run that is stopped already boots no system", async () => {
  const [setup] = scenarios;
  if (setup === undefined) throw new Error("there are no scenarios");
  const said: string[] = [];
  const outFolder = mkdtempSync(join(tmpdir(), "warmpath-k6-out-"));
  const run = runScenario(
    { path: "k6", origin: "never run", hasSse: false },
    {
      setup,
      durationSeconds: 1,
      sessionsPerSecond: 1,
      thinkSeconds: 0,
      replicas: 1,
      withLatencyBars: false,
      seed: 1,
      outFolder,
    },
    (text) => said.push(text),
    AbortSignal.abort(new Error("stopped")),
  );
  await expect(run).rejects.toThrow("stopped");
  rmSync(outFolder, { recursive: true });
  expect(said).toEqual([]);
});

const k6 = await findK6({ mayBuild: false });
const skipped = "absent" in k6 ? k6.absent : "";
if (skipped !== "") console.log(`skipped: k6 scenarios ${skipped}`);

for (const name of ["agent-conversation", "chat"]) {
  test.skipIf("absent" in k6)(
    `${name}: sessions run without a failed turn`,
    async () => {
      const setup = scenarios.find((each) => each.name === name);
      if (setup === undefined || "absent" in k6) throw new Error(`${name} cannot run`);
      const outFolder = mkdtempSync(join(tmpdir(), "warmpath-k6-out-"));
      const { ok, bars, report } = await runScenario(
        k6,
        {
          setup,
          durationSeconds: 2,
          sessionsPerSecond: 0.5,
          thinkSeconds: 0,
          replicas: 1,
          withLatencyBars: false,
          seed: 1,
          outFolder,
        },
        () => undefined,
      );
      const serve = JSON.parse(readFileSync(join(outFolder, "serve.json"), "utf8"));
      rmSync(outFolder, { recursive: true });
      expect(bars.filter((bar) => !bar.ok)).toEqual([]);
      expect(ok).toBe(true);
      expect(serve).toMatchObject({ failed: 0, label: name });
      expect(report.table).toMatch(/sessions [1-9]\d*, dropped 0, failed turns 0/);
    },
    scenarioMsMax,
  );
}
