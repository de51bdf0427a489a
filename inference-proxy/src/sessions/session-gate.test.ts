import { describe, expect, test } from "bun:test";
import { failedRest, gateDefaults, SessionGate, type SessionTurn, stopRest } from "./index.ts";

/* Chunks of 100 tokens; replicas of 1,000 of which sessions may fill 700 at first. */
const chunkTokens = 100;
const capacity = 1000;

function gateOf(replicas = 1, options = gateDefaults): SessionGate {
  const gate = new SessionGate(replicas, options);
  for (let replica = 0; replica < replicas; replica += 1) {
    gate.setCapacity(replica, capacity);
  }
  return gate;
}

/** A prompt whose first `shared` chunks are everybody's. */
function turnOf(
  sessionId: string,
  chunks: number,
  { shared = 0, parentId }: { shared?: number; parentId?: string } = {},
): SessionTurn {
  const own = Number(Bun.hash(sessionId) % 1_000_000n) * 1000 + 1_000_000;
  const keys = Array.from({ length: chunks }, (_, chunk) => (chunk < shared ? chunk : own + chunk));
  return { sessionId, parentId, keys, chunks, chunkTokens };
}

/** Asks for a place on replica 0 and takes it if there is room. */
function ask(gate: SessionGate, turn: SessionTurn, nowMs: number) {
  gate.newRound();
  const { home } = gate.consider(turn, nowMs);
  if (home === undefined && !gate.hasRoom(0)) {
    gate.noteWaiting();
    return undefined;
  }
  return gate.admit(turn, home ?? 0);
}

const done = (rest: string) => ({ cachedTokens: undefined, promptTokens: undefined, rest });

describe("SessionGate", () => {
  test("admits sessions while their prefixes fit, what they share counted once", () => {
    const gate = gateOf();
    expect(ask(gate, turnOf("a", 4, { shared: 3 }), 0)).toBeDefined();
    expect(ask(gate, turnOf("b", 5, { shared: 3 }), 0)).toBeDefined();
    expect(gate.usedTokens(0)).toBe(600);
    expect(ask(gate, turnOf("c", 5, { shared: 3 }), 0)).toBeUndefined();
    expect(ask(gate, turnOf("d", 4, { shared: 3 }), 0)).toBeDefined();
    expect(gate.usedTokens(0)).toBe(700);
  });

  test("an admitted session goes home without asking for room, however full it is", () => {
    const gate = gateOf();
    const first = ask(gate, turnOf("a", 6), 0);
    expect(ask(gate, turnOf("b", 2), 0)).toBeUndefined();
    if (first !== undefined) {
      gate.end(first, done("bash"), 10);
    }
    expect(ask(gate, turnOf("a", 9), 20)).toMatchObject({ replica: 0 });
    expect(gate.usedTokens(0)).toBe(900);
  });

  test("a session that is larger than its share is served where nobody else is", () => {
    const gate = gateOf();
    expect(ask(gate, turnOf("huge", 50), 0)).toBeDefined();
    expect(ask(gate, turnOf("small", 1), 0)).toBeUndefined();
  });

  test("what is left of fractions when all have gone keeps nobody out", () => {
    const gate = gateOf();
    const tokens = 100 / 3;
    for (let round = 0; round < 300; round += 1) {
      const turn = { ...turnOf(`s${round}`, 1 + (round % 7)), chunkTokens: tokens * (1 + round) };
      for (const _ of ["first", "second"]) {
        gate.consider(turn, round);
        gate.end(gate.admit(turn, 0), done(round % 2 === 0 ? "bash" : stopRest), round);
      }
    }
    const later = 1_000_000;
    expect(ask(gate, turnOf("huge", 50), later)).toBeDefined();
    expect(ask(gate, turnOf("small", 1), later)).toBeUndefined();
  });

  test("where no session comes back for a second turn, none is kept waiting for room", () => {
    const gate = gateOf();
    const held = (from: number) => {
      let count = 0;
      for (let index = 0; index < 40; index += 1) {
        const turn = ask(gate, turnOf(`s${from + index}`, 2), from);
        count += turn === undefined ? 1 : 0;
      }
      return count;
    };
    expect(held(0)).toBeGreaterThan(30);
    for (let index = 0; index < 2000; index += 1) {
      const atMs = 1000 + index;
      gate.consider(turnOf(`once${index}`, 1), atMs);
      gate.end(gate.admit(turnOf(`once${index}`, 1), 0), done(stopRest), atMs);
    }
    gate.consider(turnOf("later", 1), 200_000);
    expect(held(200_000)).toBe(0);
  });

  test("sessions that do come back are counted whole, from their first turn on", () => {
    const gate = gateOf();
    for (let index = 0; index < 600; index += 1) {
      const turn = turnOf(`s${index}`, 2);
      for (const atMs of [index, index]) {
        gate.consider(turn, atMs);
        gate.end(gate.admit(turn, 0), done("bash"), atMs);
      }
    }
    const later = 1_000_000;
    gate.consider(turnOf("sweeps", 1), later);
    expect(ask(gate, turnOf("a", 7), later)).toBeDefined();
    expect(gate.usedTokens(0)).toBeGreaterThan(690);
  });

  test("however many sessions rest, all are given up in time, some at once", () => {
    const gate = gateOf();
    const many = 10_000;
    for (let index = 0; index < many; index += 1) {
      const turn = { ...turnOf(`s${index}`, 1), chunkTokens: 1 };
      gate.consider(turn, 0);
      gate.end(gate.admit(turn, 0), done("bash"), 0);
    }
    const used = (atMs: number) => {
      gate.consider(turnOf("looks", 1), atMs);
      return gate.usedTokens(0);
    };
    const after = [60_000, 60_100, 60_200, 60_300, 60_400, 60_500].map(used);
    expect(after[0]).toBeGreaterThan(1000);
    expect(after[1]).toBeLessThan(after[0] ?? 0);
    expect(after.at(-1)).toBeLessThan(1);
  });

  test("a request without a session is never held and holds nothing", () => {
    const gate = gateOf();
    ask(gate, turnOf("a", 7), 0);
    const turn = ask(gate, { ...turnOf("", 9), sessionId: "" }, 0);
    expect(turn).toBeDefined();
    if (turn !== undefined) {
      gate.end(turn, done(stopRest), 1);
    }
    expect([gate.usedTokens(0), gate.size]).toEqual([700, 1]);
  });

  test("sub-agents go to the home of the session that waits for them", () => {
    const gate = gateOf(2);
    const parent = turnOf("parent", 6);
    gate.consider(parent, 0);
    gate.admit(parent, 1);
    expect(gate.consider(turnOf("child", 3, { parentId: "parent" }), 1).home).toBe(1);
    expect(gate.isAdmitted("child", "parent")).toBe(true);
    expect(gate.isAdmitted("stranger", undefined)).toBe(false);
  });

  test("sessions that never come back leave by themselves, without a word", () => {
    const gate = gateOf();
    let nowMs = 0;
    // Fifty jobs of one turn each, as many as fit at a time: nobody says that they are over.
    for (let job = 0; job < 50; job += 1) {
      let turn = ask(gate, turnOf(`job${job}`, 6), nowMs);
      while (turn === undefined) {
        nowMs += 100;
        turn = ask(gate, turnOf(`job${job}`, 6), nowMs);
      }
      nowMs += 100;
      gate.end(turn, done(stopRest), nowMs);
    }
    // At first each is waited for; soon it is known that none returns.
    const before = nowMs;
    let turn = ask(gate, turnOf("late", 6), nowMs);
    while (turn === undefined) {
      nowMs += 100;
      turn = ask(gate, turnOf("late", 6), nowMs);
    }
    expect(nowMs - before).toBeLessThanOrEqual(100);
  });

  test("a session in a tool keeps its place for as long as that tool takes", () => {
    const gate = gateOf();
    let nowMs = 0;
    for (let turn = 0; turn < 40; turn += 1) {
      const admitted = ask(gate, turnOf("agent", 6), nowMs);
      expect(admitted?.replica).toBe(0);
      nowMs += 50;
      if (admitted !== undefined) {
        gate.end(admitted, done("bash"), nowMs);
      }
      nowMs += 200;
      expect(ask(gate, turnOf("other", 2), nowMs)).toBeUndefined();
      nowMs += 200;
    }
    // It does not come back this time: after longer than the tool ever took, room is made.
    nowMs += 1000;
    expect(ask(gate, turnOf("other", 2), nowMs)).toBeDefined();
  });

  test("a session whose next turn asked and left without a place leaves in the end, too", () => {
    const gate = gateOf();
    const turn = ask(gate, turnOf("a", 6), 0);
    if (turn !== undefined) {
      gate.end(turn, done("bash"), 1);
    }
    gate.consider(turnOf("a", 6), 2);
    expect(ask(gate, turnOf("b", 6), 1000)).toBeUndefined();
    expect(ask(gate, turnOf("b", 6), 60_000)).toBeUndefined();
    expect(ask(gate, turnOf("b", 6), 130_000)).toBeDefined();
  });

  test("sessions of a lost replica move, and do not wait for room again", () => {
    const gate = gateOf(2);
    const turn = turnOf("a", 6);
    gate.consider(turn, 0);
    gate.end(gate.admit(turn, 0), done("bash"), 1);
    gate.lose(0);
    expect(gate.usedTokens(0)).toBe(0);
    expect(gate.consider(turn, 2)).toMatchObject({ home: undefined, isDisplaced: true });
    gate.admit(turn, 1);
    expect(gate.consider(turn, 3)).toMatchObject({ home: 1, isDisplaced: false });
  });

  test("a turn that was under way when its replica lost its cache is no sign of too little room", () => {
    const shareAfter = (loses: boolean): number => {
      const gate = gateOf(2);
      const turn = { ...turnOf("a", 6), chunkTokens: 100_000 };
      gate.consider(turn, 0);
      const usage = { promptTokens: 600_000, rest: "bash" };
      gate.end(gate.admit(turn, 0), { ...usage, cachedTokens: 0 }, 1);
      gate.consider(turn, 2);
      const second = gate.admit(turn, 0);
      if (loses) {
        gate.lose(0);
      }
      gate.end(second, { ...usage, cachedTokens: 0 }, 3);
      gate.consider(turn, 10_000);
      gate.consider(turn, 20_000);
      return gate.shareOf(0);
    };
    expect(shareAfter(true)).toBe(0.7);
    expect(shareAfter(false)).toBeLessThan(0.7);
  });

  test("a turn that failed where its session moved to leaves nothing there to be missed", () => {
    const gate = gateOf(2);
    const turn = { ...turnOf("a", 6), chunkTokens: 100_000 };
    const missed = { promptTokens: 600_000, cachedTokens: 0, rest: "bash" };
    gate.consider(turn, 0);
    gate.end(gate.admit(turn, 0), missed, 1);
    gate.consider(turn, 2);
    gate.end(gate.admit(turn, 1), done(failedRest), 3);
    gate.consider(turn, 4);
    const again = gate.admit(turn, 1);
    expect(again.expectedTokens).toBe(0);
    gate.end(again, missed, 5);
    gate.consider(turn, 6);
    expect(gate.admit(turn, 1).expectedTokens).toBeGreaterThan(400_000);
  });

  test("the replica that misses least for who goes first takes nobody else in that round", () => {
    const gate = gateOf(3);
    for (const [replica, chunks] of [6, 4, 5].entries()) {
      const turn = turnOf(`there since before ${replica}`, chunks);
      gate.consider(turn, 0);
      gate.admit(turn, replica);
    }
    const roomFor = (turn: SessionTurn) => {
      gate.consider(turn, 1);
      return [0, 1, 2].filter((replica) => gate.hasRoom(replica));
    };
    expect(roomFor(turnOf("large", 5))).toEqual([]);
    gate.noteWaiting();
    expect(roomFor(turnOf("large, too", 4))).toEqual([]);
    gate.noteWaiting();
    expect(roomFor(turnOf("small", 1))).toEqual([0, 2]);
    expect(roomFor({ ...turnOf("", 1), sessionId: "" })).toEqual([0, 1, 2]);
    expect(roomFor(turnOf("large", 3))).toEqual([1]);
    gate.newRound();
    expect(roomFor(turnOf("small", 1))).toEqual([0, 1, 2]);
  });

  test("a prompt that was rewritten frees what it no longer needs", () => {
    const gate = gateOf();
    const first = turnOf("a", 6);
    gate.consider(first, 0);
    gate.end(gate.admit(first, 0), done("bash"), 1);
    const compacted = { ...turnOf("b", 2), sessionId: "a" };
    gate.consider(compacted, 2);
    gate.admit(compacted, 0);
    expect(gate.usedTokens(0)).toBe(200);
  });

  test("the share shrinks while sessions miss what they left, and grows while others wait", () => {
    const gate = gateOf();
    const missing = playTurns(gate, 0, 0);
    expect(gate.shareOf(0)).toBeLessThan(gateDefaults.share.start);
    const shrunk = gate.shareOf(0);
    playTurns(gate, missing, 1);
    expect(gate.shareOf(0)).toBeGreaterThan(shrunk);
  });

  test("remembers a bounded number of sessions, and none that is under way is forgotten", () => {
    const gate = gateOf(1, { ...gateDefaults, sessionsMax: 3 });
    const running = turnOf("running", 1);
    gate.consider(running, 0);
    gate.admit(running, 0);
    for (let index = 0; index < 10; index += 1) {
      const turn = turnOf(`s${index}`, 1);
      gate.consider(turn, index);
      gate.end(gate.admit(turn, 0), done(stopRest), index);
    }
    expect(gate.size).toBe(3);
    expect(gate.isAdmitted("running", undefined)).toBe(true);
    expect(gate.usedTokens(0)).toBeLessThanOrEqual(300);
  });

  test("what is owned equals a plain count over the sessions, whatever they do", () => {
    const gate = gateOf(1);
    gate.setCapacity(0, Number.POSITIVE_INFINITY);
    const live = new Map<string, number>();
    let seed = 7;
    const dice = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % below;
    };
    for (let step = 0; step < 2000; step += 1) {
      const id = `s${dice(12)}`;
      const chunks = 1 + dice(9);
      const turn = turnOf(id, chunks, { shared: Math.min(chunks, 2) });
      gate.consider(turn, 0);
      gate.admit(turn, 0);
      live.set(id, chunks);
      const owners = new Map<number, number>();
      for (const [name, count] of live) {
        const { keys } = turnOf(name, count, { shared: Math.min(count, 2) });
        for (let chunk = 0; chunk < count; chunk += 1) {
          owners.set(keys[chunk] ?? -1, (owners.get(keys[chunk] ?? -1) ?? 0) + 1);
        }
      }
      expect(gate.usedTokens(0)).toBe(owners.size * chunkTokens);
      const unshared = [...owners.values()].filter((count) => count === 1).length;
      expect(gate.unsharedTokens(0)).toBe(unshared * chunkTokens);
    }
  });
});

/** A session of many turns that finds `found` of what it expects; returns when it ended. */
function playTurns(gate: SessionGate, fromMs: number, found: 0 | 1): number {
  let nowMs = fromMs;
  for (let index = 0; index < 40; index += 1) {
    const turn = turnOf("a", 6);
    gate.consider(turn, nowMs);
    const admitted = gate.admit(turn, 0);
    const cachedTokens = admitted.expectedTokens * found;
    gate.end(admitted, { cachedTokens, promptTokens: 100_000, rest: "bash" }, nowMs);
    gate.noteWaiting();
    nowMs += 500;
  }
  return nowMs;
}
