import { describe, expect, test } from "bun:test";
import { workloadOf } from "../registry.ts";
import type { SessionPlan, TurnPlan, Workload } from "../types.ts";
import { describeWorkload } from "./describe.ts";
import { referenceBars, referenceSessions } from "./reference-bars.ts";
import { Spreads } from "./spreads.ts";

describe.each(["agent-lite", "agent", "chat", "rag"])("%s", (name) => {
  test("is as near to its source as is stated", () => {
    const facts = describeWorkload(workloadOf(name), { seed: 1, sessions: referenceSessions });
    const bars = referenceBars(name, facts);
    expect(bars.length).toBeGreaterThan(2);
    expect(bars.filter(({ ok }) => !ok)).toEqual([]);
  });
});

test("a generator that is off its source misses a bar", () => {
  const wrong = workloadOf("chat", { scale: 1.5 });
  const facts = describeWorkload(wrong, { seed: 1, sessions: referenceSessions });
  expect(referenceBars("chat", facts).some(({ ok }) => !ok)).toBe(true);
});

describe("what is counted", () => {
  const system = { content: 1, tokens: 100 };
  const turn = (segments: TurnPlan["segments"], promptSegments: number): TurnPlan => ({
    segments,
    promptSegments,
    promptTokens: segments.slice(0, promptSegments).reduce((sum, { tokens }) => sum + tokens, 0),
    outputTokens: segments[promptSegments]?.tokens ?? 0,
    gapBeforeMs: 0,
    gapKind: promptSegments === 2 ? "start" : "human",
  });
  const sessionOf = (index: number): SessionPlan => {
    const runs = [10, 20, 30, 40].map((tokens, at) => ({ content: 10 * index + at + 2, tokens }));
    const segments = [system, ...runs];
    const turns = [turn(segments, 2), turn(segments, 4)];
    return { id: `s${index}`, tenant: "t", sloClass: "agent", startMs: 500 * index, turns };
  };
  const workload: Workload = {
    name: "made",
    about: "by hand",
    sessions: () => [sessionOf(0), sessionOf(1), sessionOf(2)],
  };
  const facts = describeWorkload(workload, { seed: 1, sessions: 10 });
  test("an infinite cache serves a session's own context, and what others began with", () => {
    const prompts = 3 * (110 + 160);
    // The first session begins cold; each second turn finds all but its new message of 30.
    expect(facts.infiniteCacheHits).toBeCloseTo((3 * 130 + 2 * 100) / prompts, 9);
    expect(facts.sharedHits).toBeCloseTo((2 * 100 + 2 * 100) / prompts, 9);
  });
  test("sessions, turns, requests and rate", () => {
    expect(facts).toMatchObject({ sessions: 3, turns: 6, tenants: 1, sessionsPerSecond: 2 });
    expect(facts.spreads["requests per session"]).toMatchObject({ p50: 2, count: 3 });
    expect(facts.spreads["appended tokens"]).toMatchObject({ mean: 30, count: 3 });
  });
});

test("quantiles of more values than are kept are near, and the mean is exact", () => {
  const spreads = new Spreads();
  const count = 500_000;
  for (let value = 1; value <= count; value += 1) spreads.add("value", value);
  const { p50, p99, mean } = spreads.all()["value"]!;
  expect(mean).toBe((count + 1) / 2);
  expect(p50 / (count / 2)).toBeCloseTo(1, 1.5);
  expect(p99 / (0.99 * count)).toBeCloseTo(1, 2);
});
