import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@warmpath/runtime/base";
import { quantileOf } from "../report/statistics.ts";
import { tokensOf } from "./contents.ts";
import {
  CacheBoundCounter,
  describeSessions,
  loadTrace,
  readTrace,
  traceWorkload,
  workloadOf,
  workloads,
} from "./index.ts";
import { gammaGap, logNormal, zipf } from "./samplers.ts";
import { callTool } from "./tools.ts";
import type { SessionPlan } from "./types.ts";

const tracePath = join(import.meta.dir, "testdata/mooncake_fast25_conversation_trace.jsonl.gz");

function take(name: string, count: number, seed = 1): SessionPlan[] {
  const taken: SessionPlan[] = [];
  for (const session of workloadOf(name).sessions(seed)) {
    taken.push(session);
    if (taken.length === count) break;
  }
  return taken;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe("samplers", () => {
  const count = 40_000;
  const draws = (draw: (random: ReturnType<typeof seededRandom>) => number) => {
    const random = seededRandom("samplers");
    return Array.from({ length: count }, () => draw(random)).toSorted((a, b) => a - b);
  };
  test("a lognormal has its median, and the quantiles of its sigma", () => {
    const drawn = draws((random) => logNormal(random, { median: 100, sigma: 1.15 }));
    expect(quantileOf(drawn, 0.5) / 100).toBeCloseTo(1, 1);
    expect(quantileOf(drawn, 0.9) / (100 * Math.exp(1.2816 * 1.15))).toBeCloseTo(1, 1);
  });
  test("gamma gaps have their mean and coefficient of variation, also above 1", () => {
    for (const variation of [0.5, 1, 2]) {
      const drawn = draws((random) => gammaGap(random, 10, variation));
      const mean = meanOf(drawn);
      const deviation = Math.sqrt(meanOf(drawn.map((value) => (value - mean) ** 2)));
      expect(mean / 10).toBeCloseTo(1, 1);
      expect(Math.abs(deviation / mean / variation - 1)).toBeLessThan(0.05);
    }
  });
  test("Zipf ranks come by their weights", () => {
    const rank = zipf(20, 1);
    const drawn = draws((random) => rank(random));
    const first = drawn.filter((each) => each === 0).length / count;
    expect(Math.abs(first * 3.5977 - 1)).toBeLessThan(0.05);
    expect(drawn.at(-1)).toBe(19);
  });
  test("tools keep the overall latency, and each has its own", () => {
    const random = seededRandom("tools");
    const calls = Array.from({ length: count }, () =>
      callTool(random, { median: 300, sigma: 2.98 }),
    );
    const all = calls.map(({ latencyMs }) => latencyMs).toSorted((a, b) => a - b);
    expect(Math.abs(quantileOf(all, 0.5) / 300 - 1)).toBeLessThan(0.1);
    const medianOfTool = (name: string) =>
      quantileOf(
        calls
          .filter(({ toolName }) => toolName === name)
          .map(({ latencyMs }) => latencyMs)
          .toSorted((a, b) => a - b),
        0.5,
      );
    expect(medianOfTool("read_file")).toBeLessThan(medianOfTool("run_tests") / 10);
  });
});

describe.each(workloads.map(({ name }) => name))("%s", (name) => {
  const sessions = take(name, 300);
  test("the same seed gives the same sessions, another seed others", () => {
    expect(JSON.stringify(take(name, 40))).toBe(JSON.stringify(sessions.slice(0, 40)));
    expect(JSON.stringify(take(name, 40, 2))).not.toBe(JSON.stringify(sessions.slice(0, 40)));
  });
  test("sessions come in order, and each turn's tokens are those of its runs", () => {
    const starts = sessions.map(({ startMs }) => startMs);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    const turns = sessions.flatMap(function all(session): SessionPlan["turns"] {
      return session.turns.flatMap((turn) => [turn, ...(turn.children ?? []).flatMap(all)]);
    });
    for (const { segments, promptSegments, promptTokens, outputTokens, ...turn } of turns) {
      expect(tokensOf(segments.slice(0, promptSegments))).toBe(promptTokens);
      expect(segments[promptSegments]?.tokens).toBe(outputTokens);
      expect(outputTokens).toBeGreaterThanOrEqual(1);
      expect(turn.gapBeforeMs).toBeGreaterThanOrEqual(0);
      expect(turn.abortAfterTokens ?? 1).toBeLessThanOrEqual(outputTokens);
    }
    for (const session of sessions) expect(session.turns.length).toBeGreaterThan(0);
  });
  test("a turn continues the one before with its answer, unless the context was rewritten", () => {
    for (const { turns } of sessions) {
      for (const [index, turn] of turns.entries()) {
        const before = turns[index - 1];
        if (before === undefined || before.segments !== turn.segments) continue;
        expect(turn.promptSegments).toBe(before.promptSegments + 2);
      }
    }
  });
});

describe("agent-lite", () => {
  const facts = describeSessions(workloadOf("agent-lite").sessions(1), 4_000);
  const near = (value: number | undefined, wanted: number, share: number) =>
    expect(Math.abs((value ?? 0) / wanted - 1)).toBeLessThan(share);
  test("has the quantiles of its samplers", () => {
    near(facts.spreads["output tokens"]?.p50, 60, 0.1);
    near(facts.spreads["tool gap, ms"]?.p50, 300, 0.15);
    expect(facts.tenants).toBe(20);
    near(facts.sessionsPerSecond, 1, 0.1);
  });
  test("is made of prefixes: nearly all of a prompt was there before", () => {
    expect(facts.infiniteCacheHits).toBeGreaterThan(0.85);
  });
  test("has subagents, clients that leave, and contexts that were rewritten", () => {
    expect(facts.children).toBeGreaterThan(100);
    near(facts.abandonedTurns / facts.sessions, 0.02 * 2.9, 0.5);
    const sessions = take("agent-lite", 2_000);
    const rewritten = sessions.filter(({ turns }) =>
      turns.some((turn, index) => index > 0 && turn.segments !== turns[index - 1]?.segments),
    );
    expect(rewritten.length).toBeGreaterThan(0);
  });
});

test("chat has the Mooncake conversation trace's lengths divided by eight", () => {
  const { spreads } = describeSessions(workloadOf("chat").sessions(1), 6_000);
  const first = take("chat", 6_000).map(({ turns }) => turns[0]?.promptTokens ?? 0);
  const sorted = first.toSorted((a, b) => a - b);
  expect(Math.abs(quantileOf(sorted, 0.5) / (6_909 / 8) - 1)).toBeLessThan(0.1);
  expect(Math.abs(quantileOf(sorted, 0.9) / (27_367 / 8) - 1)).toBeLessThan(0.1);
  expect(Math.abs((spreads["output tokens"]?.p50 ?? 0) / (350 / 8) - 1)).toBeLessThan(0.1);
  expect(Math.abs((spreads["turns per session"]?.mean ?? 0) / 1.5 - 1)).toBeLessThan(0.05);
});

test("a burst is ten times as many arrivals for half a minute", () => {
  const starts = take("burst", 1_500).map(({ startMs }) => startMs);
  const between = (from: number, to: number) =>
    starts.filter((at) => at >= from && at < to).length / ((to - from) / 1000);
  expect(between(270_000, 300_000) / between(0, 270_000)).toBeGreaterThan(5);
});

describe("a Mooncake trace", () => {
  test("has the published bound with an infinite cache: 36.6 % of blocks, 37.4 % of tokens", async () => {
    const infinite = new CacheBoundCounter();
    const small = new CacheBoundCounter(1.5e6);
    for await (const request of readTrace(tracePath)) {
      infinite.add(request);
      small.add(request);
    }
    const { bound } = infinite;
    expect(bound).toMatchObject({ requests: 12_031, blocks: 288_500, uniqueBlocks: 182_790 });
    expect((100 * bound.blockHits).toFixed(1)).toBe("36.6");
    expect((100 * bound.tokenHits).toFixed(1)).toBe("37.4");
    expect(small.bound.tokenHits).toBeLessThan(bound.tokenHits / 2);
  });
  test("becomes sessions whose shared prefixes are those of its ids", async () => {
    const requests = (await loadTrace(tracePath)).slice(0, 2_000);
    const bound = new CacheBoundCounter();
    for (const request of requests) bound.add(request);
    const facts = describeSessions(traceWorkload("t", requests).sessions(1), requests.length);
    expect(facts.sessions).toBe(2_000);
    expect(facts.infiniteCacheHits).toBeCloseTo(bound.bound.tokenHits, 3);
  });
  test("with a bad line is refused with the line and the field", async () => {
    const folder = mkdtempSync(join(tmpdir(), "warmpath-trace-"));
    const good = '{"timestamp":0,"input_length":600,"output_length":5,"hash_ids":[1,2]}';
    const cases = [
      ["{", "not a JSON object"],
      ['{"timestamp":0,"input_length":0,"output_length":5,"hash_ids":[]}', "input_length"],
      ['{"timestamp":0,"input_length":9,"output_length":5,"hash_ids":["a"]}', "hash_ids"],
      ['{"timestamp":0,"input_length":900,"output_length":5,"hash_ids":[1]}', "needs 2"],
    ] as const;
    try {
      for (const [index, [line, why]] of cases.entries()) {
        const path = join(folder, `${index}.jsonl`);
        writeFileSync(path, `${good}\n\n${line}\n`);
        const refused = await loadTrace(path).then(() => "", String);
        expect(refused).toContain(`${path}:3: `);
        expect(refused).toContain(why);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  test("that is not there is an error, not an empty trace", async () => {
    const missing = await loadTrace("/nowhere/trace.jsonl.gz").then(() => "", String);
    expect(missing).toContain("ENOENT");
  });
});
