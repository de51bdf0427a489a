import { describe, expect, test } from "bun:test";
import { tokensOf } from "./contents.ts";
import {
  describeWorkload,
  kvDemandOf,
  type SessionPlan,
  type TurnPlan,
  type Workload,
  workloadOf,
  workloads,
} from "./index.ts";

function take(workload: Workload, count: number, seed = 1): SessionPlan[] {
  const taken: SessionPlan[] = [];
  for (const session of workload.sessions(seed)) {
    taken.push(session);
    if (taken.length === count) break;
  }
  return taken;
}

function withChildren(session: SessionPlan): SessionPlan[] {
  const children = session.turns.flatMap((turn) => turn.children ?? []);
  return [session, ...children.flatMap(withChildren)];
}

function turnsOf(sessions: readonly SessionPlan[]): readonly TurnPlan[] {
  return sessions.flatMap(withChildren).flatMap(({ turns }) => turns);
}

function startsBetween(sessions: readonly SessionPlan[], fromMs: number, toMs: number): number {
  return sessions.filter(({ startMs }) => startMs >= fromMs && startMs < toMs).length;
}

describe.each(workloads.map(({ name }) => name))("%s", (name) => {
  const workload = workloadOf(name);
  const sessions = take(workload, 200);
  test("the same seed gives the same sessions, another seed others", () => {
    expect(JSON.stringify(take(workload, 40))).toBe(JSON.stringify(sessions.slice(0, 40)));
    expect(JSON.stringify(take(workload, 40, 2))).not.toBe(JSON.stringify(sessions.slice(0, 40)));
  });
  test("two runs at once do not disturb each other", () => {
    const one = workload.sessions(1)[Symbol.iterator]();
    const other = workload.sessions(1)[Symbol.iterator]();
    for (let index = 0; index < 20; index += 1) {
      expect(JSON.stringify(one.next().value)).toBe(JSON.stringify(other.next().value));
    }
  });
  test("sessions come in the order of their starts, with ids of their own", () => {
    const starts = sessions.map(({ startMs }) => startMs);
    expect(starts).toEqual(starts.toSorted((left, right) => left - right));
    const ids = sessions.flatMap(withChildren).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
  test("each turn's tokens are those of its runs", () => {
    for (const session of sessions.flatMap(withChildren)) {
      expect(session.turns.length).toBeGreaterThan(0);
    }
    for (const { segments, promptSegments, promptTokens, outputTokens, ...turn } of turnsOf(
      sessions,
    )) {
      expect(tokensOf(segments.slice(0, promptSegments))).toBe(promptTokens);
      expect(segments[promptSegments]?.tokens).toBe(outputTokens);
      expect(outputTokens).toBeGreaterThanOrEqual(1);
      expect(turn.gapBeforeMs).toBeGreaterThanOrEqual(0);
      expect(turn.abortAfterTokens ?? 1).toBeLessThanOrEqual(outputTokens);
      expect(turn.toolName === undefined).toBe(turn.gapKind !== "tool");
    }
  });
  test("a turn continues the one before with its answer, unless the context was rewritten", () => {
    for (const { turns } of sessions) {
      for (const [index, turn] of turns.entries()) {
        const before = turns[index - 1];
        expect(turn.gapKind === "start").toBe(before === undefined);
        if (before === undefined || before.segments !== turn.segments) continue;
        expect(turn.promptSegments).toBe(before.promptSegments + 2);
      }
    }
  });
  test("the rate and the size can be said otherwise, and nothing else changes", () => {
    const own = describeWorkload(workload, { seed: 1, sessions: 200 });
    const other = describeWorkload(workloadOf(name, { sessionsPerSecond: 0.01, scale: 1 / 2 }), {
      seed: 1,
      sessions: 200,
    });
    const median = ({ spreads }: typeof own) => spreads["prompt tokens"]?.p50 ?? Number.NaN;
    expect(median(other) / median(own)).toBeWithin(0.45, 0.56);
    expect(other.sessionsPerSecond).toBeLessThan(own.sessionsPerSecond / 5);
    // A context of other size is rewritten elsewhere; without one, draws are the same.
    if (own.rewrittenTurns === 0) expect(other.turns).toBe(own.turns);
  });
});

describe("agent-lite", () => {
  const sessions = take(workloadOf("agent-lite"), 1_500);
  const contextTokensMax = 22_500;
  const isRewritten = (session: SessionPlan) =>
    session.turns.some(({ segments }, index) => {
      const before = session.turns[index - 1];
      const last = (before?.promptSegments ?? 0) - 1;
      return before !== undefined && before.segments[last]?.content !== segments[last]?.content;
    });
  test("no context is larger than a window, and some are rewritten to fit", () => {
    const largest = Math.max(
      ...turnsOf(sessions).map(({ promptTokens, outputTokens }) => promptTokens + outputTokens),
    );
    expect(largest).toBeLessThanOrEqual(contextTokensMax);
    expect(largest).toBeGreaterThan(0.9 * contextTokensMax);
    expect(sessions.filter(isRewritten).length).toBeGreaterThan(20);
  });
  test("without compaction sessions end where their context is full", () => {
    const whole = take(workloadOf("agent-lite", { compacts: false }), 1_500);
    expect(whole.filter(isRewritten)).toEqual([]);
    const largest = Math.max(...turnsOf(whole).map(({ promptTokens }) => promptTokens));
    expect(largest).toBeLessThanOrEqual(contextTokensMax);
  });
  test("subagents go on from their parent's context, and the parent waits for them", () => {
    let parents = 0;
    for (const { turns } of sessions) {
      for (const [index, { children, segments, promptSegments }] of turns.entries()) {
        if (children === undefined) continue;
        parents += 1;
        expect(children.length).toBeWithin(2, 5);
        expect(turns[index + 1]?.gapKind).toBe("join");
        for (const child of children) {
          const inherited = child.turns[0]?.segments.slice(0, promptSegments + 1);
          if (child.turns[0]?.gapKind === "start" && inherited?.at(-1) !== undefined) {
            const isSame = inherited.every((run, at) => run.content === segments[at]?.content);
            // A parent with a full context has children that begin with a summary.
            expect(isSame || inherited.length < promptSegments + 1).toBe(true);
          }
        }
      }
    }
    expect(parents).toBeGreaterThan(100);
  });
  test("a client that left comes back without the answer it dropped", () => {
    let came = 0;
    for (const { turns } of sessions) {
      for (const [index, { abortAfterTokens, segments, promptSegments }] of turns.entries()) {
        const next = turns[index + 1];
        if (abortAfterTokens === undefined || next === undefined) continue;
        came += 1;
        const dropped = segments[promptSegments]?.content;
        expect(next.gapKind).toBe("human");
        expect(next.segments.some(({ content }) => content === dropped)).toBe(false);
      }
    }
    expect(came).toBeGreaterThan(20);
  });
  test("sessions of a noisy tenant come in runs", () => {
    const runs = sessions.filter(
      ({ tenant }, index) => tenant === "tenant-0" && sessions[index - 1]?.tenant !== tenant,
    ).length;
    const all = sessions.filter(({ tenant }) => tenant === "tenant-0").length;
    expect(all / runs).toBeGreaterThan(6);
  });
});

test("a burst is ten times as many arrivals for half a minute, again and again", () => {
  const sessions = take(workloadOf("burst", { sessionsPerSecond: 4 }), 7_600);
  for (const period of [0, 1, 2]) {
    const from = period * 300_000;
    const calm = startsBetween(sessions, from, from + 270_000) / 270;
    const burst = startsBetween(sessions, from + 270_000, from + 300_000) / 30;
    expect(calm).toBeWithin(3.4, 4.6);
    expect(burst / calm).toBeWithin(8, 12);
  }
});

describe("rag", () => {
  const sessions = take(workloadOf("rag"), 1_500);
  const promptOf = ({ turns: [turn] }: SessionPlan) =>
    turn?.segments
      .slice(0, turn.promptSegments)
      .map(({ content }) => content)
      .join();
  test("asks 750 prompts of 150 customers round and round", () => {
    const prompts = sessions.map(promptOf);
    expect(new Set(prompts).size).toBe(750);
    expect(prompts.slice(0, 750)).toEqual(prompts.slice(750));
    expect(new Set(sessions.map(({ tenant }) => tenant)).size).toBe(150);
    expect(promptOf(take(workloadOf("rag"), 1, 2)[0]!)).not.toBe(prompts[0]);
  });
  test("its prompts are 73 % of the published fleet's KV cache", () => {
    const { sharedTokens } = kvDemandOf(workloadOf("rag"), { sampleSessions: 1_500 });
    expect(sharedTokens).toBe(1_800_000);
    expect(((100 * sharedTokens) / (8 * 307_328)).toFixed(0)).toBe("73");
  });
});

test("cache-thrash goes round in a working set that is given", () => {
  const workload = workloadOf("cache-thrash", { workingSetTokens: 200_000 });
  const groups = take(workload, 120).map(({ tenant }) => tenant);
  expect(new Set(groups).size).toBe(50);
  expect(groups.slice(0, 50)).toEqual(groups.slice(50, 100));
  expect(kvDemandOf(workload).sharedTokens).toBe(200_000);
});

test("a noisy neighbour has ten times the sessions, and shares no prompt", () => {
  const sessions = take(workloadOf("noisy-neighbour"), 2_000);
  const noisy = sessions.filter(({ tenant }) => tenant === "noisy");
  const quiet = sessions.filter(({ tenant }) => tenant === "quiet");
  expect(noisy.length / quiet.length).toBeWithin(8, 12);
  expect(quiet[0]?.sloClass).toBe("interactive");
  expect(quiet[0]?.cacheSalt).not.toBe(noisy[0]?.cacheSalt);
});

describe("names and settings", () => {
  test("an unknown name is an error that lists those there are", () => {
    expect(() => workloadOf("agnt")).toThrow(/"agnt": agent-lite, agent, chat/);
  });
  test.each([
    ["sessionsPerSecond", 0],
    ["scale", -1],
    ["workingSetTokens", Number.NaN],
  ] as const)("%s of %p is refused", (option, value) => {
    expect(() => workloadOf("agent-lite", { [option]: value })).toThrow(`${option} must be`);
  });
});
