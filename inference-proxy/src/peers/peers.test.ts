import { describe, expect, test } from "bun:test";
import { createMetrics } from "@warmpath/runtime";
import { seededRandom } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { readBeat, writeBeat } from "./beat-text.ts";
import { createListener } from "./listener.ts";
import { peerMetrics } from "./metrics.ts";
import { Outbox } from "./outbox.ts";
import { PeerTable } from "./peer-table.ts";
import { secretName } from "./share.ts";
import type { Beat, PeerLoad } from "./types.ts";

const names = ["a:1", "b:1"];
const bytesMax = 100_000;

function beat(over: Partial<Beat> = {}): Beat {
  return {
    from: "peer",
    number: 1,
    keysOf: "x",
    isLast: false,
    loads: [{ replica: "a:1", requests: 3, aheadMs: 250, sessionTokens: 9000 }],
    homes: [
      {
        session: "acme/s",
        replica: "b:1",
        agoMs: 5,
        chunkTokens: 256.5,
        endMark: 9,
        keys: [1, 2 ** 52],
      },
    ],
    ...over,
  };
}

describe("a beat on the bus", () => {
  test("is read as it was written", () => {
    expect(readBeat(writeBeat(beat()), bytesMax)).toEqual(beat());
    expect(readBeat(writeBeat(beat({ loads: [], homes: [] })), bytesMax)).toMatchObject({
      loads: [],
      homes: [],
    });
  });

  test("whatever is not exactly one is none, and nothing throws", () => {
    const text = new TextDecoder().decode(writeBeat(beat()));
    const broken = [
      "",
      "null",
      "[]",
      "{}",
      text.slice(0, -1),
      text.replace('"v":1', '"v":2'),
      text.replace("250", "-1"),
      text.replace("250", "0.5"),
      text.replace("9000", "1e300"),
      text.replace('"acme/s"', "7"),
      text.replace('"acme/s"', `"${"s".repeat(600)}"`),
      text.replace("256.5", '"256"'),
      text.replace("4503599627370496", "9007199254740993"),
      text.replace('"loads":[[', '"loads":[[[],'),
      text.replace('"isLast":false', '"isLast":0'),
    ];
    for (const each of broken) {
      expect([each, readBeat(new TextEncoder().encode(each), bytesMax)]).toEqual([each, undefined]);
    }
    expect(readBeat(writeBeat(beat()), 10)).toBeUndefined();
    const random = seededRandom(3);
    const bytes = writeBeat(beat());
    for (let round = 0; round < 2000; round += 1) {
      const bent = Uint8Array.from(bytes);
      bent[Math.floor(random.next() * bent.length)] = Math.floor(random.next() * 256);
      expect(() => readBeat(bent, bytesMax)).not.toThrow();
    }
  });

  test("equal secrets have equal names, which do not tell them", () => {
    expect(secretName("one")).toBe(secretName("one"));
    expect(secretName("one")).not.toBe(secretName("two"));
    expect(secretName("one")).not.toContain("one");
    expect(secretName(undefined)).toBe("");
  });
});

describe("PeerTable", () => {
  const tableOf = (peersMax = 10) => {
    const loads = new Map<number, Omit<PeerLoad, "replica">>();
    const limits = { peerSilentMs: 1000, peersMax };
    const onForeign = (replica: number, load: Omit<PeerLoad, "replica">) =>
      loads.set(replica, load);
    return { loads, table: new PeerTable({ self: "me", names, limits, onForeign }) };
  };
  const none = { requests: 0, aheadMs: 0, sessionTokens: 0 };

  test("sums what peers have booked, each by its last beat", () => {
    const { table, loads } = tableOf();
    expect(table.take(beat(), 0)).toBe("taken");
    expect(table.take(beat({ from: "other" }), 0)).toBe("taken");
    expect(loads.get(0)).toEqual({ requests: 6, aheadMs: 500, sessionTokens: 18_000 });
    expect(table.take(beat({ number: 2, loads: [] }), 1)).toBe("taken");
    expect(loads.get(0)).toEqual({ requests: 3, aheadMs: 250, sessionTokens: 9000 });
  });

  test("counts anew when engines change places, and takes away later what it had added", () => {
    const { table, loads } = tableOf();
    table.take(beat(), 0);
    table.rename([names[1] ?? "", names[0] ?? ""]);
    expect(loads.get(0)).toEqual(none);
    expect(loads.get(1)).toEqual({ requests: 3, aheadMs: 250, sessionTokens: 9000 });
    table.take(beat({ number: 2, loads: [] }), 1);
    expect(loads.get(1)).toEqual(none);
  });

  test("passes over its own beats, late and repeated ones, and replicas it does not know", () => {
    const { table, loads } = tableOf();
    expect(table.take(beat({ from: "me" }), 0)).toBe("own");
    expect(table.take(beat({ number: 5, loads: [] }), 0)).toBe("taken");
    expect(table.take(beat({ number: 5 }), 0)).toBe("late");
    expect(table.take(beat({ number: 4 }), 0)).toBe("late");
    const unknown = [{ replica: "z:1", requests: 1, aheadMs: 1, sessionTokens: 1 }];
    expect(table.take(beat({ number: 6, loads: unknown }), 0)).toBe("taken");
    expect(loads.size).toBe(0);
  });

  test("forgets who says goodbye and who falls silent", () => {
    const { table, loads } = tableOf();
    table.take(beat({ from: "polite" }), 0);
    table.take(beat({ from: "dead" }), 0);
    table.take(beat({ from: "polite", number: 2, isLast: true, loads: [] }), 10);
    expect(loads.get(0)?.requests).toBe(3);
    expect(table.forgetSilent(1000)).toBe(0);
    expect(table.forgetSilent(1001)).toBe(1);
    expect(loads.get(0)).toEqual(none);
    expect(table.size).toBe(0);
  });

  test("who said goodbye does not come back with a beat that was overtaken, nor with a newer one", () => {
    const { table, loads } = tableOf();
    table.take(beat({ number: 5 }), 0);
    expect(table.take(beat({ number: 7, isLast: true, loads: [] }), 10)).toBe("taken");
    expect([table.take(beat({ number: 6 }), 20), table.take(beat({ number: 8 }), 20)]).toEqual([
      "late",
      "late",
    ]);
    expect([loads.get(0), table.size]).toEqual([none, 0]);
    // Also where the goodbye is all that was heard.
    table.take(beat({ from: "other", number: 3, isLast: true, loads: [] }), 30);
    expect(table.take(beat({ from: "other", number: 2 }), 40)).toBe("late");
    expect(table.size).toBe(0);
  });

  test("who was silent counts again with its next beat, as it is then; not with an older one", () => {
    const { table, loads } = tableOf();
    table.take(beat({ number: 5 }), 0);
    expect(table.forgetSilent(1500)).toBe(1);
    expect([loads.get(0), table.size]).toEqual([none, 0]);
    expect(table.forgetSilent(1600)).toBe(0);
    expect(table.take(beat({ number: 4 }), 1700)).toBe("late");
    const now = [{ replica: "a:1", requests: 1, aheadMs: 0, sessionTokens: 0 }];
    expect(table.take(beat({ number: 6, loads: now }), 1800)).toBe("taken");
    expect([loads.get(0)?.requests, table.size]).toEqual([1, 1]);
    // Twice the time of silence, and nothing is known of anybody.
    table.take(beat({ from: "gone", number: 9, isLast: true, loads: [] }), 1800);
    table.forgetSilent(3801);
    expect(table.take(beat({ number: 1 }), 3801)).toBe("taken");
    expect(table.take(beat({ from: "gone", number: 1 }), 3801)).toBe("taken");
  });

  test("those who left take nobody's place, and are remembered in bounded number", () => {
    const { table } = tableOf(2);
    for (let index = 0; index < 10; index += 1) {
      const from = `left${index}`;
      expect(table.take(beat({ from, number: 1 }), index)).toBe("taken");
      expect(table.take(beat({ from, number: 3, isLast: true, loads: [] }), index)).toBe("taken");
    }
    const again = ["left9", "left8", "left7"].map((from) =>
      table.take(beat({ from, number: 2, isLast: true, loads: [] }), 20),
    );
    expect(again).toEqual(["late", "late", "taken"]);
    expect(table.take(beat({ from: "a" }), 30)).toBe("taken");
    expect(table.take(beat({ from: "b" }), 30)).toBe("taken");
    expect(table.take(beat({ from: "c" }), 30)).toBe("crowded");
  });

  test("listens to so many peers and no more", () => {
    const { table, loads } = tableOf(2);
    const taken = ["a", "b", "c", "a"].map((from, index) =>
      table.take(beat({ from, number: index + 1 }), 0),
    );
    expect(taken).toEqual(["taken", "taken", "crowded", "taken"]);
    expect(loads.get(0)?.requests).toBe(6);
  });

  test("whatever comes in whatever order, nothing is left when all have gone", () => {
    const { table, loads } = tableOf(4);
    const random = seededRandom(7);
    const int = (below: number) => Math.floor(random.next() * below);
    for (let round = 0; round < 2000; round += 1) {
      const heard = names.slice(int(2)).map((replica) => ({
        replica,
        requests: int(100),
        aheadMs: int(10_000),
        sessionTokens: int(1_000_000),
      }));
      const from = `p${int(6)}`;
      table.take(beat({ from, number: int(500), isLast: int(10) === 0, loads: heard }), round);
      if (int(20) === 0) {
        table.forgetSilent(round + int(900));
      }
    }
    table.forgetSilent(1e9);
    expect([loads.get(0), loads.get(1)]).toEqual([none, none]);
  });
});

describe("Outbox", () => {
  const promptOf = (sessionId: string, chunks = 3) => ({
    sessionId,
    chunks,
    chunkTokens: 256,
    endMark: 7,
    keys: Array.from({ length: chunks + 1 }, (_, index) => index + 1),
  });

  test("tells each session's last turn once, with the keys of whole chunks", () => {
    const outbox = new Outbox(names);
    const prompt = promptOf("s");
    outbox.began(promptOf("s", 2), 0, 0);
    outbox.began(prompt, 1, 10);
    outbox.ended(prompt, 1, 20);
    outbox.began(promptOf(""), 0, 20);
    expect(outbox.take(bytesMax, 25)).toEqual([
      { session: "s", replica: "b:1", agoMs: 5, chunkTokens: 256, endMark: 7, keys: [1, 2, 3] },
    ]);
    expect(outbox.take(bytesMax, 25)).toEqual([]);
  });

  test("says nothing of a session whose engine has left its place", () => {
    const outbox = new Outbox(names);
    outbox.began(promptOf("s"), 0, 0);
    outbox.began(promptOf("t"), 1, 0);
    outbox.rename(["c:1", ...names.slice(1)]);
    expect(outbox.take(bytesMax, 0)).toMatchObject([{ session: "t", replica: "b:1" }]);
    expect([outbox.find("c:1"), outbox.find("a:1")]).toEqual([0, undefined]);
  });

  test("tells the end of a turn without its keys, and not over the next turn's begin", () => {
    const outbox = new Outbox(names);
    const first = promptOf("s");
    outbox.began(first, 0, 0);
    outbox.take(bytesMax, 0);
    outbox.ended(first, 0, 10);
    expect(outbox.take(bytesMax, 10)).toMatchObject([{ replica: "a:1", keys: [] }]);
    outbox.began(promptOf("s"), 1, 20);
    outbox.ended(first, 0, 30);
    expect(outbox.take(bytesMax, 30)).toMatchObject([{ replica: "b:1", keys: [1, 2, 3] }]);
  });

  test("does not tell a session's older turn as its home, when that ends after a newer one began", () => {
    const outbox = new Outbox(names);
    const [older, newer] = [promptOf("s"), promptOf("s")];
    outbox.began(older, 0, 0);
    outbox.began(newer, 1, 10);
    expect(outbox.take(bytesMax, 10)).toMatchObject([{ replica: "b:1" }]);
    outbox.ended(newer, 1, 20);
    expect(outbox.take(bytesMax, 20)).toMatchObject([{ replica: "b:1" }]);
    outbox.ended(older, 0, 30);
    expect(outbox.take(bytesMax, 30)).toEqual([]);
  });

  test("fits its bytes: what finds no room waits, what never fits is dropped", () => {
    const outbox = new Outbox(names);
    for (let index = 0; index < 40; index += 1) {
      outbox.began(promptOf(`s${index}`, 100), 0, 0);
    }
    let told = 0;
    while (outbox.size > 0) {
      const homes = outbox.take(10_000, 0);
      told += homes.length;
      expect(homes.length).toBeGreaterThan(0);
      expect(writeBeat(beat({ homes })).byteLength).toBeLessThan(10_000 + 200);
    }
    expect([told, outbox.dropped]).toEqual([40, 0]);
    outbox.began(promptOf("large", 1000), 0, 0);
    expect([outbox.take(1000, 0), outbox.size, outbox.dropped]).toEqual([[], 0, 1]);
  });

  test("counts the names of replicas, however long their addresses are", () => {
    const outbox = new Outbox([`${"n".repeat(300)}:8000/v1`]);
    for (let index = 0; index < 40; index += 1) {
      outbox.began(promptOf(`s${index}`, 1), 0, 0);
    }
    const homes = outbox.take(10_000, 0);
    expect(homes.length).toBeGreaterThan(0);
    expect(writeBeat(beat({ homes })).byteLength).toBeLessThan(10_000);
  });

  test("keeps the latest sessions while nobody takes them, and no endless names", () => {
    const outbox = new Outbox(names);
    for (let index = 0; index < 5000; index += 1) {
      outbox.began(promptOf(`s${index}`, 1), 0, index);
    }
    outbox.began(promptOf("n".repeat(513)), 0, 5000);
    expect([outbox.size, outbox.dropped]).toEqual([4096, 904]);
    expect(outbox.take(bytesMax, 5000)[0]?.session).toBe("s904");
  });
});

describe("what a listener hands on", () => {
  const listenerOf = (keysOf: string) => {
    const turns: unknown[] = [];
    const ends: unknown[] = [];
    const limits = { peerSilentMs: 1000, peersMax: 2 };
    const take = createListener({
      table: new PeerTable({ self: "me", names, limits, onForeign: () => undefined }),
      placing: {
        bookedAt: () => ({ requests: 0, aheadSeconds: 0, sessionTokens: 0 }),
        setForeign: () => undefined,
        hear: (replica, { sessionId, chunks }, atMs) =>
          turns.push([sessionId, replica, chunks, atMs]),
      },
      prompts: { hear: (endMark, sessionId) => ends.push([endMark, sessionId]) },
      outbox: new Outbox(names),
      keysOf,
      clock: createManualClock(),
      metrics: peerMetrics(createMetrics("inference-proxy")).peers,
    });
    take(writeBeat(beat()));
    // Twice, as it may come: the second time it is late.
    take(writeBeat(beat()));
    return { turns, ends };
  };

  test("keys and marks of the same secret, with the time of the turn here", () => {
    const { turns, ends } = listenerOf("x");
    const nowMs = createManualClock().monotonicMs();
    expect(turns).toEqual([["acme/s", 1, 2, nowMs - 5]]);
    expect(ends).toEqual([[9, "acme/s"]]);
  });

  test("of another secret, or of none, the session's home alone", () => {
    for (const keysOf of ["another", ""]) {
      const { turns, ends } = listenerOf(keysOf);
      expect(turns).toEqual([["acme/s", 1, 0, expect.any(Number)]]);
      expect(ends).toEqual([]);
    }
  });
});
