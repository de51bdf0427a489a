/**
 * Goal: whatever two callers do to a task at the same moment, it is as if one had come after the
 * other. Method: real PostgreSQL, two logs as of two worker processes, each pair of actions many
 * times at once; then what must hold of the outcome.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { WarmpathError } from "@warmpath/runtime/base";
import {
  createLogFixture,
  type LogFixture,
  newMessage,
  plainEvent,
  started,
} from "../testing/log-fixture.ts";
import { openMsMax, openTestStore, type TestStore, testStoreKinds } from "../testing/test-store.ts";
import { appendEnding } from "./append-ending.ts";
import { cancelAndTell } from "./cancel-and-tell.ts";
import { prepareAppend } from "./prepare-append.ts";
import { type MessageRequest, sendMessage } from "./send-message.ts";
import type { Claim, TaskRef } from "./types.ts";

const skip = testStoreKinds().find(({ name }) => name === "PostgreSQL")?.skip;
const rounds = 30;
const limits = { concurrentTasks: 0, conversationMessages: 0 };
const ada = { tenant: "acme", user: "ada", keyId: "key_1", agentChain: [] };
const completed = { events: [plainEvent("completed")], state: "COMPLETED" as const };
const waiting = { events: [plainEvent("waiting")], state: "WAITING" as const };

const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => "no error",
    (error: unknown) => WarmpathError.from(error).reason,
  );
const count = (outcomes: readonly string[], wanted: string) =>
  outcomes.filter((outcome) => outcome === wanted).length;

describe.skipIf(skip !== undefined)("two at once on PostgreSQL", () => {
  let db: TestStore;
  let a: LogFixture;
  let b: LogFixture;

  beforeAll(async () => {
    db = await openTestStore("PostgreSQL", { poolSize: 16 });
    a = await createLogFixture(db.store, { groupsInFlightMax: 4 });
    b = await createLogFixture(db.store, { groupsInFlightMax: 4 });
  }, openMsMax);
  afterAll(async () => {
    await Promise.all([a?.pump.idle(), b?.pump.idle()]);
    await db?.close();
  });

  async function claimed(fixture: LogFixture, ref: TaskRef): Promise<Claim> {
    const claim = await fixture.log.claim(ref, "worker");
    if (claim === undefined) {
      throw new Error("the claim was refused");
    }
    return claim;
  }

  const claimNew = async () => await claimed(a, await a.submit());
  const cancel = (ref: TaskRef) => cancelAndTell({ ...b, store: db.store }, ref, "test");
  const send = (ref: TaskRef, changes: Partial<MessageRequest> = {}) =>
    sendMessage(
      { store: db.store, config: b.config },
      {
        principal: ada,
        taskId: ref.taskId,
        text: "more",
        idempotencyKey: "",
        limits,
        traceparent: "",
        ...changes,
      },
    );
  const childOf = (taskId: string) => ({
    taskId,
    agent: "assistant",
    message: newMessage("part"),
    callId: "call_1",
    lane: "standard" as const,
  });
  const newTaskId = () => `task_${crypto.randomUUID().replaceAll("-", "")}`;

  async function stateOf({ taskId }: TaskRef): Promise<string> {
    const [row] = await db.store.write.query<{ state: string }>(
      "select state from tasks where task_id = $1",
      [taskId],
    );
    return row?.state ?? "";
  }

  async function kindsOf({ taskId }: TaskRef): Promise<string[]> {
    const rows = await db.store.write.query<{ kind: string; seq: bigint }>(
      "select kind, seq from events where task_id = $1 order by seq",
      [taskId],
    );
    expect(rows.map(({ seq }) => Number(seq))).toEqual(rows.map((_, index) => index + 1));
    return rows.map(({ kind }) => kind);
  }

  async function race<T>(round: () => Promise<T>): Promise<T[]> {
    return await Promise.all(Array.from({ length: rounds }, round));
  }

  test("fifty submits at once under a limit: exactly as many as it admits", async () => {
    const principal = { ...ada, keyId: "key_fifty" };
    const limited = { concurrentTasks: 7, conversationMessages: 0 };
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        reasonOf((index % 2 === 0 ? a : b).submit({ principal, limits: limited })),
      ),
    );
    expect(count(outcomes, "no error")).toBe(7);
    expect(count(outcomes, "rejected-concurrency-limit")).toBe(43);
  });

  test("one idempotency key with different bodies: one body wins, its repeats get its task, the others a conflict", async () => {
    const submits = Array.from({ length: 30 }, async (_, index) => {
      const text = `body ${index % 3}`;
      const submit = (index % 2 === 0 ? a : b).submit({ idempotencyKey: "race", text });
      return await submit.then(({ taskId }) => ({ text, taskId }), WarmpathError.from);
    });
    const outcomes = await Promise.all(submits);
    const won = outcomes.flatMap((outcome) => (outcome instanceof WarmpathError ? [] : [outcome]));
    expect(won).toHaveLength(10);
    expect(new Set(won.map(({ text, taskId }) => `${text} ${taskId}`)).size).toBe(1);
    const lost = outcomes.flatMap((outcome) => (outcome instanceof WarmpathError ? [outcome] : []));
    expect(new Set(lost.map(({ code }) => code))).toEqual(new Set(["already_exists"]));
  });

  test("a repeated message with one key is put into the inbox once", async () => {
    const { task } = await claimNew();
    await Promise.all(
      Array.from({ length: 10 }, () => send(task, { idempotencyKey: `send-${task.taskId}` })),
    );
    expect(await a.log.inputs(task)).toHaveLength(1);
  });

  test("a message beside the final answer is either in the inbox, and the end refused, or refused", async () => {
    const outcomes = await race(async () => {
      const { lease, task } = await claimNew();
      const [sent, ended] = await Promise.all([
        reasonOf(send(task)),
        reasonOf(a.log.append(lease, 1n, completed)),
      ]);
      const inputs = await a.log.inputs(task);
      return `${sent}, ${ended}, ${inputs.length} in the inbox, ${await stateOf(task)}`;
    });
    for (const outcome of outcomes) {
      expect([
        "no error, failed-aborted, 1 in the inbox, RUNNING",
        "rejected-task-ended, no error, 0 in the inbox, COMPLETED",
      ]).toContain(outcome);
    }
  });

  test("a message or a child's end beside the parent's wait makes it ready", async () => {
    const states = await race(async () => {
      const parent = await claimNew();
      const child = { tenant: "acme", taskId: newTaskId() };
      const children = [childOf(child.taskId)];
      await a.log.append(parent.lease, 1n, { events: [started()], children });
      const run = await claimed(b, child);
      await Promise.all([
        a.log.append(parent.lease, 2n, waiting),
        b.log.append(run.lease, 1n, completed),
        send(parent.task),
      ]);
      expect((await a.log.inputs(parent.task)).map(({ kind }) => kind).sort()).toEqual([
        "child-ended",
        "message",
      ]);
      return await stateOf(parent.task);
    });
    expect(new Set(states)).toEqual(new Set(["QUEUED"]));
  });

  test("a cancel beside the end leaves one end", async () => {
    const ends = await race(async () => {
      const { lease, task } = await claimNew();
      await Promise.all([cancel(task), a.log.append(lease, 1n, completed)]);
      return (await kindsOf(task)).join();
    });
    expect(new Set(ends)).toEqual(new Set(["submitted,completed"]));
  });

  test("a cancel beside a claim either ends the task or is in the run's inbox", async () => {
    await race(async () => {
      const ref = await a.submit();
      const [state, claim] = await Promise.all([cancel(ref), a.log.claim(ref, "worker")]);
      const kinds = (await a.log.inputs(ref)).map(({ kind }) => kind);
      if (claim === undefined) {
        expect([state, await stateOf(ref)]).toEqual(["CANCELLED", "CANCELLED"]);
      } else {
        expect([state, kinds, await stateOf(ref)]).toEqual(["RUNNING", ["cancel"], "RUNNING"]);
      }
    });
  });

  test("a cancel beside a delegation leaves no child that nobody waits for", async () => {
    const states = await race(async () => {
      const parent = await claimNew();
      const child = { tenant: "acme", taskId: newTaskId() };
      const delegating = async () => {
        const children = [childOf(child.taskId)];
        await a.log.append(parent.lease, 1n, { events: [started()], children });
        await a.log.append(parent.lease, 2n, waiting);
      };
      await Promise.all([
        delegating(),
        Bun.sleep(Math.random() * 4).then(() => cancel(parent.task)),
      ]);
      return `${await stateOf(parent.task)} ${await stateOf(child)}`;
    });
    for (const state of states) {
      // Woken by the cancel in its inbox, or cancelled together with the child.
      expect(["QUEUED QUEUED", "QUEUED CANCELLED", "CANCELLED CANCELLED"]).toContain(state);
    }
  });

  test("a cancel that waited for a delegation to commit cancels the new child, too", async () => {
    const parent = await claimNew();
    const child = { tenant: "acme", taskId: newTaskId() };
    const delegating = { events: [started()], children: [childOf(child.taskId)] };
    let cancelling: Promise<unknown> = Promise.resolve();
    await db.store.write.transaction(async (tx) => {
      const bytesMax = a.config.appendBytesMax;
      await appendEnding(tx, [prepareAppend(parent.lease, 1n, delegating, bytesMax)]);
      // Looks for children before they are committed, then waits for the parent's row.
      cancelling = cancel(parent.task);
      await Bun.sleep(200);
      await appendEnding(tx, [prepareAppend(parent.lease, 2n, waiting, bytesMax)]);
    });
    await cancelling;
    expect([await stateOf(parent.task), await stateOf(child)]).toEqual(["CANCELLED", "CANCELLED"]);
  });

  test("a task that is created beside the end of its conversation's last one is dispatched", async () => {
    const seconds = await race(async () => {
      const threadId = crypto.randomUUID();
      const first = await claimed(a, await a.submit({ threadId }));
      const [second] = await Promise.all([
        b.submit({ threadId }),
        a.log.append(first.lease, 1n, completed),
      ]);
      return second.taskId;
    });
    await Promise.all([a.pump.idle(), b.pump.idle()]);
    const dispatched = new Set([...(await drained(a)), ...(await drained(b))]);
    expect(seconds.filter((taskId) => !dispatched.has(taskId))).toEqual([]);
  });
});

async function drained({ queue }: LogFixture): Promise<string[]> {
  const taskIds: string[] = [];
  for (;;) {
    const next = await queue.pull(["standard"], AbortSignal.timeout(50)).catch(() => undefined);
    if (next === undefined) {
      return taskIds;
    }
    next.ack();
    taskIds.push(next.ref.taskId);
  }
}
