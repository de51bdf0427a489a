import { expect, test } from "bun:test";
import type { PolicyRun, RoutedRequest } from "../types.ts";
import { replicaViews, requestOf, startPolicy } from "./testing/hand-made-fleet.ts";
import { thunderAgent } from "./thunder-agent.ts";

// 1,000 blocks of 16 tokens: 16,000 tokens of KV on each replica.
const turnOf = (sessionId: string, tokens: number) =>
  requestOf([`${sessionId}:${tokens}`], { sessionId });

function end(run: PolicyRun, { id, promptTokens }: RoutedRequest, atMs: number): void {
  run.onEnded?.(id, atMs, { promptTokens, cachedTokens: 0, outputTokens: 16 });
}

test("sessions are admitted while their tokens fit, and the next one waits", () => {
  const run = startPolicy(thunderAgent, 2);
  const views = replicaViews(2);
  const places = ["a", "b", "c", "d"].map((id) => run.place(turnOf(id, 7200), views, 0));
  expect(places.toSorted()).toEqual([0, 0, 1, 1]);
  const waits = turnOf("e", 7200);
  expect(run.place(waits, views, 1)).toBe("hold");
  // Small enough, but new sessions queue behind those who wait.
  expect(run.place(turnOf("f", 160), views, 2)).toBe("hold");
});

test("a session keeps its replica, however busy, and a waiting one enters when one ends", () => {
  const run = startPolicy(thunderAgent, 2);
  const views = replicaViews(2);
  const first = turnOf("a", 9600);
  const home = run.place(first, views, 0);
  expect(run.place(turnOf("b", 9600), views, 0)).toBe(1 - Number(home));
  const waiting = turnOf("c", 9600);
  expect(run.place(waiting, views, 0)).toBe("hold");
  end(run, first, 100);
  expect(run.place(turnOf("a", 9760), views, 200)).toBe(home);
  run.onSessionEnded?.("a", 300);
  expect(run.place(waiting, views, 400)).toBe("hold");
  // Resumed by the scheduler's round every 5 s.
  expect(run.place(waiting, views, 5000)).toBe(home);
});

test("above 95 % acting sessions are paused, smallest first, down to 80 %", () => {
  const run = startPolicy(thunderAgent, 1);
  const views = replicaViews(1);
  const turns = ["small", "middle", "large"].map((id, index) => turnOf(id, 1600 * (index + 1)));
  for (const turn of turns) {
    expect(run.place(turn, views, 0)).toBe(0);
    end(run, turn, 1000);
  }
  // The large one grows: 1,600 + 3,200 + 12,800 and buffers of 16,000.
  const grown = turnOf("large", 12_800);
  expect(run.place(grown, views, 1500)).toBe(0);
  run.onEnded?.(-1, 5000, undefined);
  expect(run.place(turnOf("small", 1760), views, 5100)).toBe("hold");
  expect(run.place(turnOf("middle", 3360), views, 5100)).toBe("hold");
  // Pausing both was not enough, so the large one is marked: it pauses after its turn.
  end(run, grown, 5200);
  expect(run.place(turnOf("large", 12_816), views, 5300)).toBe("hold");
});

test("a lost replica's sessions find another, or are placed by cost when none has room", () => {
  const run = startPolicy(thunderAgent, 2);
  const first = turnOf("a", 9600);
  const home = Number(run.place(first, replicaViews(2), 0));
  run.place(turnOf("b", 9600), replicaViews(2), 0);
  end(run, first, 100);
  run.onReplicaLost?.(home, 200);
  const down = replicaViews(2, { [home]: { healthy: false } });
  expect(run.place(turnOf("a", 9600), down, 300)).toBe(1 - home);
});

test("a turn that waited half an hour goes where most room is", () => {
  const run = startPolicy(thunderAgent, 1);
  const views = replicaViews(1);
  run.place(turnOf("a", 12_800), views, 0);
  const waiting = turnOf("b", 12_800);
  expect(run.place(waiting, views, 10)).toBe("hold");
  expect(run.place(waiting, views, 1_799_000)).toBe("hold");
  expect(run.place(waiting, views, 1_800_010)).toBe(0);
});
