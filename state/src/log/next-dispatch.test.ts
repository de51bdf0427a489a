import { afterAll, beforeAll, expect, test } from "bun:test";
import { createMemoryBus } from "@warmpath/runtime";
import { silentLogger, systemClock } from "@warmpath/runtime/base";
import { createMemoryHot } from "../hot/memory-hot.ts";
import { createNatsQueue } from "../queue/nats-queue.ts";
import { createLogFixture, plainEvent } from "../testing/log-fixture.ts";
import { openMsMax, openTestStore, type TestStore } from "../testing/test-store.ts";
import { createTaskLog } from "./create-log.ts";
import { logConfigDefault } from "./log-config.ts";

let db: TestStore;
beforeAll(async () => {
  db = await openTestStore("PGlite");
}, openMsMax);
afterAll(() => db?.close());

test("tasks still complete while the queue is away", async () => {
  const fixture = await createLogFixture(db.store);
  const clock = systemClock;
  const queue = createNatsQueue({ url: "nats://127.0.0.1:1", log: silentLogger, clock });
  const taskLog = createTaskLog({
    store: db.store,
    hot: createMemoryHot(clock),
    queue,
    bus: createMemoryBus(),
    clock,
    log: silentLogger,
    config: { ...logConfigDefault, pollMs: 20 },
  });
  const waiting = taskLog.next(["interactive", "standard"], AbortSignal.timeout(5000));
  await Bun.sleep(50);
  const ref = await fixture.submit();
  const dispatch = await waiting;
  expect(dispatch.ref).toEqual(ref);
  const claim = await taskLog.claim(dispatch.ref, "worker");
  dispatch.ack();
  const end = { events: [plainEvent("completed")], state: "COMPLETED" as const };
  expect(claim && (await taskLog.append(claim.lease, 1n, end))).toBe(2n);
  await queue.close();
});
