import { describe, expect, test } from "bun:test";
import { createManualClock } from "@warmpath/runtime/testing";
import { frame } from "./backend-messages.ts";
import type { Batch } from "./batches.ts";
import { SessionQueue, type SessionUser } from "./session-queue.ts";
import { execute, flush, parse, query, sync } from "./testing/raw-client.ts";

/** A session that notes what it is asked, and answers a query's text with a status. */
function setUp(given: { answer?: (messages: Buffer) => Buffer } = {}) {
  const statuses: Record<string, string> = { begin: "T", fail: "E" };
  let status = "I";
  const asked: string[] = [];
  const faults: unknown[] = [];
  const clock = createManualClock();
  const queue = new SessionQueue({
    async execute(messages) {
      const text = messages.toString("latin1").replace(/[^a-zA-Z0-9]/g, "");
      asked.push(text);
      if (given.answer !== undefined) {
        return given.answer(messages);
      }
      if (text.endsWith("H")) {
        return frame("1", "");
      }
      const name = text.slice(1).replace(/^[0-9]/, "");
      status = statuses[name] ?? (/^(commit|rollback)$/.test(name) ? "I" : status);
      return frame("Z", status);
    },
    clock,
    silentMsMax: 1000,
    onFault: (error) => faults.push(error),
  });
  const user = () => {
    const silent: SessionUser & { count: number } = {
      count: 0,
      onSilent() {
        silent.count++;
      },
    };
    return silent;
  };
  return { queue, asked, faults, clock, user };
}

const ask = (text: string): Batch => ({ bytes: query(text), messages: 1, lastType: "Q" });
const halfBatch: Batch = {
  bytes: Buffer.concat([parse("x"), flush]),
  messages: 2,
  lastType: "H",
};
const restOfBatch: Batch = {
  bytes: Buffer.concat([execute, sync]),
  messages: 2,
  lastType: "S",
};

/** Goal: one user at a time, in order, and always a way on. */
describe("turns of the one session", () => {
  test("go by arrival", async () => {
    const { queue, asked, user } = setUp();
    await Promise.all(["1", "2", "3"].map((name) => queue.run(user(), ask(name))));
    expect(asked).toEqual(["Q1", "Q2", "Q3"]);
  });

  test("stay with a transaction until it ends, failed or not", async () => {
    const { queue, asked, user } = setUp();
    const [a, b] = [user(), user()];
    await queue.run(a, ask("begin"));
    const other = queue.run(b, ask("b"));
    await queue.run(a, ask("fail"));
    await queue.run(a, ask("a"));
    await queue.run(a, ask("commit"));
    await other;
    expect(asked).toEqual(["Qbegin", "Qfail", "Qa", "Qcommit", "Qb"]);
  });

  test("stay with half a batch until its Sync", async () => {
    const { queue, asked, user } = setUp();
    const a = user();
    await queue.run(a, halfBatch);
    const other = queue.run(user(), ask("b"));
    await queue.run(a, restOfBatch);
    await other;
    expect(asked).toEqual(["PxH", "ES", "Qb"]);
  });

  test("that have not begun are dropped with their user", async () => {
    const { queue, asked, user } = setUp();
    const [a, b] = [user(), user()];
    const first = queue.run(a, ask("a"));
    const second = queue.run(b, ask("b"));
    queue.leave(b);
    expect(await second).toBeUndefined();
    await first;
    await queue.close();
    expect(asked).toEqual(["Qa"]);
  });

  test("go on after a user that left a transaction, rolled back", async () => {
    const { queue, asked, user } = setUp();
    const a = user();
    await queue.run(a, ask("begin"));
    const other = queue.run(user(), ask("b"));
    queue.leave(a);
    await other;
    expect(asked).toEqual(["Qbegin", "Qrollback", "Qb"]);
  });

  test("go on after a user that left while its own turn ran", async () => {
    const { queue, asked, user } = setUp();
    const a = user();
    const first = queue.run(a, ask("begin"));
    queue.leave(a);
    await first;
    await queue.run(user(), ask("b"));
    expect(asked).toEqual(["Qbegin", "Qrollback", "Qb"]);
  });

  test("go on after a user that left half a batch in a transaction", async () => {
    const { queue, asked, user } = setUp();
    const a = user();
    await queue.run(a, ask("begin"));
    await queue.run(a, halfBatch);
    queue.leave(a);
    await queue.run(user(), ask("b"));
    expect(asked).toEqual(["Qbegin", "PxH", "S", "Qrollback", "Qb"]);
  });

  test("go on after a silent user, and each statement begins its silence anew", async () => {
    const { queue, asked, clock, user } = setUp();
    const a = user();
    await queue.run(a, ask("begin"));
    await clock.advance(900);
    await queue.run(a, ask("a"));
    const other = queue.run(user(), ask("b"));
    await clock.advance(900);
    expect(a.count).toBe(0);
    await clock.advance(100);
    await other;
    expect(a.count).toBe(1);
    expect(asked).toEqual(["Qbegin", "Qa", "Qrollback", "Qb"]);
  });

  test("may be far apart for a user that holds nothing", async () => {
    const { queue, clock, user } = setUp();
    const a = user();
    await queue.run(a, ask("begin"));
    await queue.run(a, ask("commit"));
    await clock.advance(10_000);
    expect(a.count).toBe(0);
  });

  for (const [name, batch] of Object.entries({ query: ask("a"), batch: restOfBatch })) {
    test(`end for everybody when a ${name} is not answered`, async () => {
      const { queue, asked, faults, user } = setUp({ answer: () => Buffer.alloc(0) });
      void queue.run(user(), batch);
      await queue.close();
      void queue.run(user(), ask("b"));
      await queue.close();
      expect(faults).toHaveLength(1);
      expect(asked).toHaveLength(1);
    });
  }

  test("end for everybody when the database throws", async () => {
    const fault = new Error("unreachable");
    const { queue, faults, user } = setUp({
      answer() {
        throw fault;
      },
    });
    void queue.run(user(), ask("a"));
    await queue.close();
    expect(faults).toEqual([fault]);
  });

  test("wait for the Sync after an error in a batch, though a query is skipped", async () => {
    const answers = [frame("E", ""), Buffer.alloc(0), frame("Z", "I")];
    const { queue, faults, user } = setUp({ answer: () => answers.shift() ?? frame("Z", "I") });
    const a = user();
    await queue.run(a, { ...halfBatch, lastType: "Q" });
    await queue.run(a, ask("skipped"));
    await queue.run(a, restOfBatch);
    expect(faults).toEqual([]);
  });
});
