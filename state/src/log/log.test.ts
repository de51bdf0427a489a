import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { WarmpathError } from "@warmpath/runtime/base";
import {
  answered,
  createLogFixture,
  type LogFixture,
  newMessage,
  plainEvent,
  started,
} from "../testing/log-fixture.ts";
import { openMsMax, openTestStore, type TestStore, testStoreKinds } from "../testing/test-store.ts";
import { hex } from "./bytes.ts";
import { cancelTree } from "./cancel.ts";
import { sendMessage } from "./send-message.ts";
import type { Claim, NewMessage, TaskRef } from "./types.ts";

const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => "no error",
    (error: unknown) => WarmpathError.from(error).reason,
  );

for (const { name, skip } of testStoreKinds()) {
  describe.skipIf(skip !== undefined)(
    `task log on ${name}${skip === undefined ? "" : ` (skipped: ${skip})`}`,
    () => {
      let db: TestStore;
      let fixture: LogFixture;

      beforeAll(async () => {
        db = await openTestStore(name);
        fixture = await createLogFixture(db.store);
      }, openMsMax);
      afterAll(async () => {
        await fixture?.pump.idle();
        await db?.close();
      });

      async function claimNext(ref?: TaskRef): Promise<Claim> {
        const wanted = ref ?? (await fixture.submit());
        const claim = await fixture.log.claim(wanted, "worker-a");
        if (claim === undefined) {
          throw new Error("the claim was refused");
        }
        return claim;
      }

      test("a submitted task is dispatched, claimed once, and read back", async () => {
        const ref = await fixture.submit({ text: "hello\0world" });
        const dispatch = await fixture.log.next(
          ["interactive", "standard"],
          AbortSignal.timeout(2000),
        );
        expect(dispatch.ref).toEqual(ref);
        const claims = await Promise.all([
          fixture.log.claim(ref, "worker-a"),
          fixture.log.claim(ref, "worker-b"),
        ]);
        dispatch.ack();
        const granted = claims.filter((claim) => claim !== undefined);
        expect(granted).toHaveLength(1);
        expect(granted[0]?.lease.epoch).toBe(1n);
        expect(granted[0]?.events.map((event) => event.kind)).toEqual(["submitted"]);
        const messages = await fixture.log.messages("acme", [
          granted[0]?.task.messageHash ?? new Uint8Array(),
        ]);
        expect([...messages.values()][0]?.parts[0]?.kind.value).toBe("hello\0world");
        expect(
          (await fixture.log.messages("other", [granted[0]?.task.messageHash ?? new Uint8Array()]))
            .size,
        ).toBe(0);
      });

      test("a transition is recorded whole and its sequence has no gap", async () => {
        const { lease, task } = await claimNext();
        const answer = newMessage("42\0");
        expect(await fixture.log.append(lease, task.lastSeq, { events: [started()] })).toBe(2n);
        const last = await fixture.log.append(lease, 2n, {
          events: [answered(1, answer), plainEvent("completed")],
          messages: [answer],
          state: "COMPLETED",
          answer: "42\0",
        });
        expect(last).toBe(4n);
        const rows = await db.store.write.query<{ seq: bigint; kind: string }>(
          "select seq, kind from events where task_id = $1 order by seq",
          [task.taskId],
        );
        expect(rows.map((row) => row.kind)).toEqual([
          "submitted",
          "started",
          "modelAnswered",
          "completed",
        ]);
        expect(await fixture.log.claim(task, "worker-b")).toBeUndefined();
      });

      test("a worker whose lease was taken over changes nothing", async () => {
        const first = await claimNext();
        await db.store.write.query("update tasks set lease_expires_at = now() where task_id = $1", [
          first.task.taskId,
        ]);
        const second = await claimNext(first.task);
        expect(second.lease.epoch).toBe(2n);
        const stray = newMessage("from the stale worker");
        const late = fixture.log.append(first.lease, first.task.lastSeq, {
          events: [started()],
          messages: [stray],
        });
        expect(await reasonOf(late)).toBe("evicted-lease-lost");
        const ending = fixture.log.append(first.lease, first.task.lastSeq, {
          events: [plainEvent("completed")],
          state: "COMPLETED",
        });
        expect(await reasonOf(ending)).toBe("evicted-lease-lost");
        expect((await fixture.log.messages("acme", [stray.hash])).size).toBe(0);
        expect(await fixture.log.renew([first.lease])).toEqual([]);
        expect(await fixture.log.renew([second.lease])).toHaveLength(1);
        expect(await fixture.log.append(second.lease, 1n, { events: [started()] })).toBe(2n);
      });

      test("of two appends that expect the same sequence number one is refused", async () => {
        const { lease, task } = await claimNext();
        const outcomes = await Promise.all([
          reasonOf(fixture.log.append(lease, task.lastSeq, { events: [started()] })),
          reasonOf(fixture.log.append(lease, task.lastSeq, { events: [started()] })),
        ]);
        expect(outcomes.sort()).toEqual(["evicted-lease-lost", "no error"]);
      });

      test("one refused append and one poisoned one do not fail their neighbours", async () => {
        const claims: Claim[] = [];
        for (let index = 0; index < 8; index++) {
          claims.push(await claimNext());
        }
        const outcomes = await Promise.all(
          claims.map(({ lease, task }, index) => {
            // A worker id with a NUL is bytes; a child id with one is text, which the database
            // refuses.
            const poison = {
              taskId: "task_\0",
              agent: "assistant",
              message: newMessage("x"),
              callId: "c",
              lane: "standard" as const,
            };
            return reasonOf(
              fixture.log.append(index === 2 ? { ...lease, epoch: 9n } : lease, task.lastSeq, {
                events: [started()],
                ...(index === 5 ? { children: [poison] } : {}),
              }),
            );
          }),
        );
        expect(outcomes).toEqual([
          "no error",
          "no error",
          "evicted-lease-lost",
          "no error",
          "no error",
          "failed-internal",
          "no error",
          "no error",
        ]);
      });

      test("a conversation's tasks run one after another, and the next is dispatched at the end", async () => {
        const threadId = "thread\0one";
        const first = await fixture.submit({ threadId });
        const second = await fixture.submit({ threadId });
        expect(await fixture.log.claim(second, "worker-a")).toBeUndefined();
        const { lease, task } = await claimNext(first);
        expect(task.threadId).toBe(threadId);
        const answer = newMessage("done");
        await fixture.log.append(lease, task.lastSeq, {
          events: [plainEvent("completed")],
          messages: [answer],
          state: "COMPLETED",
          conversation: [task.messageHash, answer.hash],
        });
        const hashes = await fixture.log.conversation("acme", "ada", threadId);
        expect(hashes.map(hex)).toEqual([hex(task.messageHash), hex(answer.hash)]);
        await fixture.pump.idle();
        await dispatchOf(second);
        expect(await fixture.log.claim(second, "worker-a")).toBeDefined();
      });

      /** Takes dispatches off the queue until the task's own comes. */
      async function dispatchOf(ref: TaskRef): Promise<void> {
        for (;;) {
          const dispatch = await fixture.log.next(["standard"], AbortSignal.timeout(2000));
          dispatch.ack();
          if (dispatch.ref.taskId === ref.taskId) {
            return;
          }
        }
      }

      async function delegate(): Promise<{ parent: Claim; child: TaskRef; message: NewMessage }> {
        const parent = await claimNext();
        const message = newMessage("do a part");
        const child = { tenant: "acme", taskId: `task_${crypto.randomUUID().replaceAll("-", "")}` };
        await fixture.log.append(parent.lease, parent.task.lastSeq, {
          events: [started()],
          children: [
            { taskId: child.taskId, agent: "helper", message, callId: "call\0a", lane: "standard" },
          ],
        });
        return { parent, child, message };
      }

      test("a waiting parent is made ready by its child's end", async () => {
        const { parent, child } = await delegate();
        await fixture.log.append(parent.lease, 2n, {
          events: [plainEvent("waiting")],
          state: "WAITING",
        });
        expect(await fixture.log.claim(parent.task, "worker-a")).toBeUndefined();
        const run = await claimNext(child);
        expect(run.task).toMatchObject({
          parentTaskId: parent.task.taskId,
          depth: 1,
          agentChain: ["assistant"],
        });
        await fixture.log.append(run.lease, 1n, {
          events: [plainEvent("completed")],
          state: "COMPLETED",
          answer: "part\0",
        });
        await fixture.pump.idle();
        await dispatchOf(parent.task);
        const again = await claimNext(parent.task);
        const inputs = await fixture.log.inputs(parent.task);
        expect(inputs).toMatchObject([
          {
            kind: "child-ended",
            childTaskId: child.taskId,
            callId: "call\0a",
            childState: "COMPLETED",
            childAnswer: "part\0",
          },
        ]);
        await fixture.log.append(again.lease, again.task.lastSeq, {
          events: [started()],
          inputsTaken: inputs.map((input) => input.inputId),
        });
        expect(await fixture.log.inputs(parent.task)).toEqual([]);
      });

      test("a run that would wait beside a full inbox is ready at once", async () => {
        const { parent, child } = await delegate();
        const run = await claimNext(child);
        await fixture.log.append(run.lease, 1n, {
          events: [plainEvent("failed")],
          state: "FAILED",
        });
        await fixture.log.append(parent.lease, 2n, {
          events: [plainEvent("waiting")],
          state: "WAITING",
        });
        expect(await fixture.log.claim(parent.task, "worker-b")).toBeDefined();
      });

      test("a message that arrives before the end is never lost: the end is refused until it is taken in", async () => {
        const { lease, task } = await claimNext();
        const request = {
          principal: { tenant: "acme", user: "ada", keyId: "key_1", agentChain: [] },
          taskId: task.taskId,
          text: "one more thing",
          idempotencyKey: "send-1",
          limits: { concurrentTasks: 0, conversationMessages: 0 },
          traceparent: "",
        };
        const deps = { store: db.store, config: fixture.config };
        await sendMessage(deps, request);
        await sendMessage(deps, request);
        const end = { events: [plainEvent("completed")], state: "COMPLETED" as const };
        expect(await reasonOf(fixture.log.append(lease, task.lastSeq, end))).toBe("failed-aborted");
        const inputs = await fixture.log.inputs(task);
        expect(inputs.map((input) => input.kind)).toEqual(["message"]);
        const taken = inputs.map((input) => input.inputId);
        expect(await fixture.log.append(lease, task.lastSeq, { ...end, inputsTaken: taken })).toBe(
          2n,
        );
        expect(await reasonOf(sendMessage(deps, { ...request, idempotencyKey: "send-2" }))).toBe(
          "rejected-task-ended",
        );
      });

      test("a cancel ends what waits, asks what runs to stop, and reaches the children", async () => {
        const { parent, child } = await delegate();
        const running = await cancelTree(db.store, parent.task, "test");
        expect(running.state).toBe("RUNNING");
        await cancelTree(db.store, parent.task, "test");
        // The child was queued: it ended, and told its parent.
        expect((await fixture.log.inputs(parent.task)).map((input) => input.kind).sort()).toEqual([
          "cancel",
          "child-ended",
        ]);
        expect(await fixture.log.claim(child, "worker-b")).toBeUndefined();
        await fixture.log.append(parent.lease, 2n, {
          events: [plainEvent("cancelled")],
          state: "CANCELLED",
        });
        const queued = await fixture.submit();
        expect((await cancelTree(db.store, queued, "test")).state).toBe("CANCELLED");
        expect(
          await reasonOf(cancelTree(db.store, { tenant: "other", taskId: queued.taskId }, "x")),
        ).toBe("rejected-not-found");
      });

      test("an idempotency key gives the first task again, and refuses another request", async () => {
        const once = { idempotencyKey: "key\0one", text: "hi" };
        const [a, b] = await Promise.all([fixture.submit(once), fixture.submit(once)]);
        expect(a).toEqual(b);
        expect(await reasonOf(fixture.submit({ ...once, text: "other" }))).toBe(
          "rejected-idempotency-conflict",
        );
        expect((await fixture.submit({ ...once, tenant: "beta" })).taskId).not.toBe(a.taskId);
      });

      test("limits hold under concurrent creates", async () => {
        const principal = { tenant: "acme", user: "bob", keyId: "key_limited", agentChain: [] };
        const limits = { concurrentTasks: 3, conversationMessages: 0 };
        const outcomes = await Promise.all(
          Array.from({ length: 8 }, () => reasonOf(fixture.submit({ principal, limits }))),
        );
        expect(outcomes.filter((outcome) => outcome === "no error")).toHaveLength(3);
        expect(outcomes.filter((outcome) => outcome === "rejected-concurrency-limit")).toHaveLength(
          5,
        );
        const thread = {
          threadId: "short",
          limits: { concurrentTasks: 0, conversationMessages: 3 },
        };
        const threads = await Promise.all(
          Array.from({ length: 4 }, () => reasonOf(fixture.submit(thread))),
        );
        expect(threads.filter((outcome) => outcome === "rejected-conversation-limit")).toHaveLength(
          2,
        );
      });

      test("a released task is ready again, and its former holder is fenced out", async () => {
        const { lease, task } = await claimNext();
        await fixture.log.release(lease);
        const again = await claimNext(task);
        expect(again.lease.epoch).toBe(2n);
        expect(await reasonOf(fixture.log.append(lease, 1n, { events: [started()] }))).toBe(
          "evicted-lease-lost",
        );
      });

      test("a task with events newer than this code is left alone", async () => {
        const ref = await fixture.submit();
        await db.store.write.query("update tasks set schema_version_max = 99 where task_id = $1", [
          ref.taskId,
        ]);
        expect(await fixture.log.claim(ref, "worker-a")).toBeUndefined();
      });

      test("a megabyte of message and a blob survive", async () => {
        const { lease, task } = await claimNext();
        const big = newMessage("x\0".repeat(1_000_000));
        await fixture.log.append(lease, task.lastSeq, { events: [started()], messages: [big] });
        expect(
          (await fixture.log.messages("acme", [big.hash])).get(hex(big.hash))?.parts[0]?.kind.value,
        ).toHaveLength(2_000_000);
        const hash = await fixture.log.putBlob("acme", new Uint8Array([0, 1, 2]));
        expect([...((await fixture.log.blob("acme", hash)) ?? [])]).toEqual([0, 1, 2]);
        expect(await fixture.log.blob("beta", hash)).toBeUndefined();
      });
    },
  );
}
