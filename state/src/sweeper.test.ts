import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { silentLogger, systemClock } from "@warmpath/runtime/base";
import { findReady, redispatchStale } from "./log/ready-tasks.ts";
import type { TaskRef } from "./log/types.ts";
import { createSweeper } from "./sweeper.ts";
import { createLogFixture, type LogFixture, newMessage, started } from "./testing/log-fixture.ts";
import { openMsMax, openTestStore, type TestStore, testStoreKinds } from "./testing/test-store.ts";

for (const { name, skip } of testStoreKinds()) {
  const note = skip === undefined ? "" : ` (skipped: ${skip})`;
  describe.skipIf(skip !== undefined)(`sweeper on ${name}${note}`, () => {
    let db: TestStore;
    let fixture: LogFixture;
    const sql = (text: string, taskId: string) => db.store.write.query(text, [taskId]);
    const sweeper = (changes: Partial<LogFixture> = {}) =>
      createSweeper({
        ...fixture,
        ...changes,
        store: db.store,
        clock: systemClock,
        log: silentLogger,
        sweepMs: 1000,
        metrics: undefined,
      });
    const drain = async () => {
      const found: string[] = [];
      for (;;) {
        try {
          const dispatch = await fixture.queue.pull(["standard"], AbortSignal.timeout(50));
          dispatch.ack();
          found.push(dispatch.ref.taskId);
        } catch {
          return found;
        }
      }
    };
    const claim = async (ref: TaskRef) => {
      const claimed = await fixture.log.claim(ref, "worker");
      await fixture.pump.idle();
      await drain();
      return claimed;
    };

    beforeAll(async () => {
      db = await openTestStore(name);
      fixture = await createLogFixture(db.store);
    }, openMsMax);
    afterAll(async () => {
      await fixture?.pump.idle();
      await db?.close();
    });

    test("a task whose worker died is dispatched at once when its lease expires, and not before", async () => {
      const ref = await fixture.submit();
      await claim(ref);
      await sweeper().sweep();
      await fixture.pump.idle();
      expect(await drain()).toEqual([]);
      await sql("update tasks set lease_expires_at = now() where task_id = $1", ref.taskId);
      await sweeper().sweep();
      await fixture.pump.idle();
      expect(await drain()).toEqual([ref.taskId]);
      expect((await claim(ref))?.lease.epoch).toBe(2n);
    });

    test("a dispatch that was lost is made again, ever more slowly", async () => {
      const ref = await fixture.submit();
      await fixture.pump.idle();
      expect(await drain()).toEqual([ref.taskId]);
      const age = (seconds: number) =>
        sql(
          `update tasks set dispatched_at = now() - interval '${seconds} s' where task_id = $1`,
          ref.taskId,
        );
      expect(await redispatchStale(db.store, fixture.config)).toEqual([]);
      await age(31);
      expect(await redispatchStale(db.store, fixture.config)).toMatchObject([
        { task_id: ref.taskId },
      ]);
      await age(31);
      expect(await redispatchStale(db.store, fixture.config)).toEqual([]);
      await age(61);
      expect(await redispatchStale(db.store, fixture.config)).toMatchObject([
        { task_id: ref.taskId },
      ]);
      await claim(ref);
    });

    test("an outbox row of a process that died before publishing is carried to the queue", async () => {
      const ref = await fixture.submit();
      await fixture.pump.idle();
      await drain();
      await sql(
        `insert into outbox (tenant, task_id, lane, created_at)
         values ('acme', $1, 'standard', now() - interval '5 s')`,
        ref.taskId,
      );
      await sweeper().sweep();
      expect(await drain()).toContain(ref.taskId);
      expect(await sql("select 1 from outbox where task_id = $1", ref.taskId)).toEqual([]);
      await claim(ref);
    });

    test("open children of an ended parent are cancelled", async () => {
      const parent = await claim(await fixture.submit());
      const child = { tenant: "acme", taskId: `task_${crypto.randomUUID().replaceAll("-", "")}` };
      if (parent === undefined) {
        throw new Error("not claimed");
      }
      await fixture.log.append(parent.lease, 1n, {
        events: [started()],
        children: [
          {
            taskId: child.taskId,
            agent: "helper",
            message: newMessage("x"),
            callId: "c",
            lane: "standard",
          },
        ],
      });
      await sql("update tasks set state = 'FAILED' where task_id = $1", parent.task.taskId);
      await sweeper().sweep();
      expect(await fixture.log.claim(child, "worker")).toBeUndefined();
      const [row] = await db.store.write.query<{ state: string }>(
        "select state from tasks where task_id = $1",
        [child.taskId],
      );
      expect(row?.state).toBe("CANCELLED");
    });

    test("a task with events newer than this code is dispatched to nobody by this code", async () => {
      const ref = await fixture.submit();
      await fixture.pump.idle();
      await drain();
      await sql(
        `update tasks set schema_version_max = 99, dispatched_at = now() - interval '1 day'
         where task_id = $1`,
        ref.taskId,
      );
      expect(await redispatchStale(db.store, fixture.config)).toEqual([]);
      const ready = await findReady(db.store.write, ["standard"], 1000);
      expect(ready.map(({ task_id }) => task_id)).not.toContain(ref.taskId);
    });

    test("more keys than one statement deletes are forgotten in one round, the queue being away", async () => {
      await db.store.write.query(
        `insert into idempotency_keys (tenant, key, request_hash, task_id, created_at)
         select 'acme', convert_to('k' || i, 'UTF8'), '', 'task_1', now() - interval '25 h'
         from generate_series(1, 2500) i`,
      );
      const away = () => Promise.reject(new Error("the queue is away"));
      const pump = { ...fixture.pump, sweep: away };
      await expect(sweeper({ pump }).sweep()).rejects.toThrow("the queue is away");
      expect(await db.store.write.query("select 1 from idempotency_keys")).toEqual([]);
    });

    test("idempotency keys are forgotten after a day", async () => {
      await fixture.submit({ idempotencyKey: "old" });
      await db.store.write.query(
        "update idempotency_keys set created_at = now() - interval '25 h'",
      );
      await sweeper().sweep();
      expect(await db.store.write.query("select 1 from idempotency_keys")).toEqual([]);
    });
  });
}
