import { describe, expect, test } from "bun:test";
import type { Clock } from "@warmpath/runtime/base";
import { createPoisonMemory, createQuarantine, SuspectExclusion } from "./index.ts";

function setUp() {
  let nowMs = 0;
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: async () => {} };
  const limits = { ttlMs: 1000, entriesMax: 2, tenantsMax: 2 };
  const advance = (ms: number) => {
    nowMs += ms;
  };
  return { memory: createPoisonMemory({ limits, clock }), advance };
}

describe("createPoisonMemory()", () => {
  test("knows what a tenant's request did, for the stated time, and no other tenant's", () => {
    const { memory, advance } = setUp();
    expect(memory.isInUse).toBe(false);
    memory.remember("a", "x", "suspect");
    expect(memory.guiltOf("a", "x")).toBe("suspect");
    memory.remember("a", "x", "proven");
    expect([memory.guiltOf("a", "x"), memory.guiltOf("a", "y"), memory.guiltOf("b", "x")]).toEqual([
      "proven",
      undefined,
      undefined,
    ]);
    advance(1000);
    expect(memory.guiltOf("a", "x")).toBeUndefined();
    expect(memory.isInUse).toBe(false);
    memory.remember("a", "x", "suspect");
    memory.clear("a", "x");
    expect(memory.isInUse).toBe(false);
  });

  test("forgets the oldest of a tenant, and the tenant that had none for longest", () => {
    const { memory } = setUp();
    for (const identity of ["x", "y", "z"]) {
      memory.remember("a", identity, "proven");
    }
    const known = (tenant: string, identity: string) =>
      memory.guiltOf(tenant, identity) !== undefined;
    expect([known("a", "x"), known("a", "y"), known("a", "z")]).toEqual([false, true, true]);
    memory.remember("b", "x", "proven");
    memory.remember("c", "x", "proven");
    expect([known("a", "z"), known("b", "x"), known("c", "x")]).toEqual([false, true, true]);
  });
});

describe("createQuarantine()", () => {
  test("has one suspect on a replica, and tells all who wait when one leaves", async () => {
    const left: string[] = [];
    const quarantine = createQuarantine({ onLeave: (replica) => left.push(replica) });
    const first = quarantine.enter("a");
    expect(quarantine.enter("a")).toBeUndefined();
    const other = quarantine.enter("b");
    const turns = [quarantine.turn(), quarantine.turn()];
    first?.leave();
    first?.leave();
    await Promise.all(turns.map((turn) => turn.left));
    expect(left).toEqual(["a"]);
    expect(quarantine.enter("a")).toBeDefined();
    const calledOff = quarantine.turn();
    calledOff.callOff();
    await calledOff.left;
    other?.leave();
  });

  test("keeps a suspect from replicas that failed it or have another, as they are at the time", () => {
    const quarantine = createQuarantine({ onLeave: () => {} });
    const excluded = new SuspectExclusion(new Set(["dead"]), quarantine.occupied);
    const other = quarantine.enter("a");
    expect([excluded.has("dead"), excluded.has("a"), excluded.has("b")]).toEqual([
      true,
      true,
      false,
    ]);
    other?.leave();
    expect(excluded.has("a")).toBe(false);
    expect(excluded.size).toBe(1);
  });
});
