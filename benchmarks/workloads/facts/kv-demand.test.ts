import { describe, expect, test } from "bun:test";
import type { Segment, SessionPlan, TurnPlan, Workload } from "../types.ts";
import { kvDemandOf, kvDemandTokens, sessionsForDemand } from "./kv-demand.ts";

const shared: Segment = { content: 1, tokens: 1_000 };

/** Sessions of one turn: the shared run, 90 tokens of their own, an answer of 10. */
function sessionOf(index: number, children?: readonly SessionPlan[]): SessionPlan {
  const own = { content: 100 + 10 * index, tokens: 90 };
  const turn: TurnPlan = {
    segments: [shared, own, { content: 101 + 10 * index, tokens: 10 }],
    promptSegments: 2,
    promptTokens: 1_090,
    outputTokens: 10,
    gapBeforeMs: 0,
    gapKind: "start",
    ...(children === undefined ? {} : { children }),
  };
  return { id: `s${index}`, tenant: "t", sloClass: "agent", startMs: index, turns: [turn] };
}

function workloadOf(sessions: readonly SessionPlan[]): Workload {
  return { name: "made", about: "by hand", sessions: () => sessions };
}

const plain = workloadOf(Array.from({ length: 50 }, (_, index) => sessionOf(index)));

describe("KV demand", () => {
  test("counts what all share once, and what each keeps to itself for each", () => {
    const demand = kvDemandOf(plain);
    expect(demand.sharedTokens).toBe(1_000);
    expect(demand.privateTokens).toBeCloseTo(100, 6);
    expect(kvDemandTokens(plain, 7)).toBeCloseTo(1_700, 6);
  });
  test("turned round gives the live sessions of a demand ratio", () => {
    for (const demand of [0.25, 0.5, 1, 2, 3]) {
      const live = sessionsForDemand(plain, { fleetTokens: 20_000, demand });
      expect(live).toBe((20_000 * demand - 1_000) / 100);
    }
    expect(sessionsForDemand(plain, { fleetTokens: 10, demand: 1 })).toBe(1);
  });
  test("tokens that few sessions share count by how many of the live ones have them", () => {
    // Two groups, each the half of all sessions.
    const grouped = workloadOf(
      Array.from({ length: 50 }, (_, index) => {
        const session = sessionOf(index);
        const group: Segment = { content: 1 + (index % 2), tokens: 1_000 };
        const turns = session.turns.map((turn) => ({
          ...turn,
          segments: [group, ...turn.segments.slice(1)],
        }));
        return { ...session, turns };
      }),
    );
    expect(kvDemandTokens(grouped, 1)).toBeCloseTo(1_000 + 100, 6);
    expect(kvDemandTokens(grouped, 2)).toBeCloseTo(2_000 * (1 - 0.25) + 200, 6);
  });
  test("weighs a context by how long it is kept, gaps included", () => {
    const grown: TurnPlan["segments"] = [
      { content: 5, tokens: 100 },
      { content: 6, tokens: 100 },
      { content: 7, tokens: 100 },
      { content: 8, tokens: 100 },
    ];
    const base = { segments: grown, outputTokens: 100, gapKind: "start" } as const;
    const turns: readonly TurnPlan[] = [
      { ...base, promptSegments: 1, promptTokens: 100, gapBeforeMs: 0 },
      { ...base, promptSegments: 3, promptTokens: 300, gapBeforeMs: 900 },
    ];
    const session = { id: "s", tenant: "t", sloClass: "agent", startMs: 0, turns } as const;
    const { privateTokens, sessionMs } = kvDemandOf(workloadOf([session]), { turnMs: () => 100 });
    expect(sessionMs).toBe(1_100);
    expect(privateTokens).toBeCloseTo((200 * 1_000 + 400 * 100) / 1_100, 6);
  });
  test("a subagent keeps its own while it lives, and its parent's context is counted once", () => {
    const childTurn: TurnPlan = {
      segments: [
        ...sessionOf(0).turns[0]!.segments,
        { content: 9, tokens: 50 },
        { content: 10, tokens: 50 },
      ],
      promptSegments: 4,
      promptTokens: 1_150,
      outputTokens: 50,
      gapBeforeMs: 0,
      gapKind: "start",
    };
    const child = { ...sessionOf(0), id: "c", turns: [childTurn] };
    const demand = kvDemandOf(workloadOf([sessionOf(0, [child])]), { turnMs: () => 100 });
    expect(demand.sessionMs).toBe(200);
    expect(demand.privateTokens).toBeCloseTo((1_100 * 200 + 100 * 100) / 200, 6);
  });
  test("of a workload without sessions, or that no number of sessions reaches, is an error", () => {
    expect(() => kvDemandOf(workloadOf([]))).toThrow("no sessions");
    const twins = workloadOf([sessionOf(0), { ...sessionOf(0), id: "twin" }]);
    expect(() => sessionsForDemand(twins, { fleetTokens: 1e6, demand: 1 })).toThrow("no number");
  });
});
