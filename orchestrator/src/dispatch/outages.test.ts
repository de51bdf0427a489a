/**
 * Goal: without Redis and without NATS tasks still end; without PostgreSQL a call is refused as
 * unavailable and what runs goes on afterwards. Method: the real servers behind forwarders that are
 * cut and restored, at the start and in the middle of runs.
 */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { TaskState } from "@warmpath/proto/common";
import { createNatsBus } from "@warmpath/runtime";
import { silentLogger, systemClock, WarmpathError } from "@warmpath/runtime/base";
import { createNatsQueue, createRedisHot } from "@warmpath/state";
import { openStore } from "@warmpath/state/log";
import { type Forwarder, openTestStore, startForwarder } from "@warmpath/state/testing";
import {
  createEffectTool,
  createHarness,
  type Harness,
  resultsSeen,
  specOf,
  specTool,
} from "../testing/index.ts";

setDefaultTimeout(30_000);

const { WARMPATH_TEST_POSTGRES_URL, WARMPATH_TEST_REDIS_URL, WARMPATH_TEST_NATS_URL } = process.env;
const skip =
  WARMPATH_TEST_POSTGRES_URL === undefined ||
  WARMPATH_TEST_REDIS_URL === undefined ||
  WARMPATH_TEST_NATS_URL === undefined;

const slow = createEffectTool("slow", {
  idempotent: false,
  onCall: () => new Promise<void>((resolve) => setTimeout(resolve, 400)),
});

describe.skipIf(skip)("with a server away", () => {
  let harness: Harness;
  let postgres: Forwarder;
  let redis: Forwarder;
  let nats: Forwarder;

  beforeAll(async () => {
    const db = await openTestStore("PostgreSQL");
    postgres = await startForwarder(db.databaseUrl);
    redis = await startForwarder(WARMPATH_TEST_REDIS_URL ?? "");
    nats = await startForwarder(WARMPATH_TEST_NATS_URL ?? "");
    const log = silentLogger;
    const clock = systemClock;
    const store = await openStore({ databaseUrl: postgres.url, poolSize: 4, migrate: false, log });
    // Redis and NATS are not there when the system starts.
    await Promise.all([redis.cut(), nats.cut()]);
    const hot = createRedisHot({ url: redis.url, log });
    const name = `outages_${crypto.randomUUID().slice(0, 8)}`;
    const queue = createNatsQueue({ url: nats.url, name, log, clock });
    const bus = createNatsBus({ url: nats.url, log });
    harness = await createHarness({
      specs: [specOf("assistant", { tools: [specTool(slow)] })],
      tools: [slow],
      leaseMs: 4_000,
      script: (request) =>
        resultsSeen(request).has("a")
          ? { text: "done" }
          : { calls: [{ callId: "a", name: "slow", args: '{"n":1}' }] },
      servers: {
        store,
        hot,
        queue,
        bus,
        async close() {
          await Promise.all([queue.close(), bus.close(), hot.close(), store.close()]);
          await Promise.all([postgres.close(), redis.close(), nats.close()]);
          await db.close();
        },
      },
    });
    await harness.sweep();
    await harness.worker();
  });
  afterAll(() => harness?.close());
  afterEach(async () => {
    await Promise.all([postgres, redis, nats].map((server) => server.restore()));
  });

  async function expectDone(taskId: string, withinMs = 8_000): Promise<void> {
    const task = await harness.ended(taskId, withinMs);
    expect(task.state).toBe(TaskState.COMPLETED);
    expect(task.answer).toBe("done");
    const own = [...slow.effects].filter(([key]) => key.startsWith(taskId));
    expect(own.map(([, count]) => count)).toEqual([1]);
    const events = await harness.events(taskId);
    expect(events.map(({ seq }) => Number(seq))).toEqual(events.map((_, index) => index + 1));
  }

  /** As soon as the tool of the task's first step is at work. */
  async function underWay(taskId: string): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      if (slow.keysSeen.some((key) => key.startsWith(taskId))) return;
      await Bun.sleep(10);
    }
    throw new Error("the task was not begun");
  }

  test("Redis and NATS away from the start: tasks end, by looking into the database", async () => {
    await expectDone(await harness.submit("assistant", "hi"));
  });

  test("both come back: dispatch goes over the queue again", async () => {
    const taskId = await harness.submit("assistant", "hi");
    await expectDone(taskId);
  });

  test.each(["redis", "nats"] as const)("%s goes away in mid-run and comes back", async (which) => {
    const server = { redis, nats }[which];
    const taskId = await harness.submit("assistant", "hi");
    await underWay(taskId);
    await server.cut();
    const meanwhile = await harness.submit("assistant", "meanwhile");
    await expectDone(taskId);
    await expectDone(meanwhile);
    await server.restore();
    await Bun.sleep(1_000);
    const beganMs = performance.now();
    await expectDone(await harness.submit("assistant", "after"));
    // Dispatched over the queue at once, not by a sweep half a minute later.
    expect(performance.now() - beganMs).toBeLessThan(3_000);
  });

  test("PostgreSQL goes away in mid-run: a submit is refused with a time to come back, the run goes on", async () => {
    const taskId = await harness.submit("assistant", "hi");
    await underWay(taskId);
    await postgres.cut();
    const refusal = await harness
      .submit("assistant", "meanwhile")
      .then(() => undefined, WarmpathError.from);
    expect(refusal?.code).toBe("unavailable");
    expect(refusal?.retryAfterMs).toBeGreaterThan(0);
    await Bun.sleep(1_500);
    await postgres.restore();
    await expectDone(taskId);
    const finishes = (await harness.events(taskId)).flatMap(({ kind }) =>
      kind.case === "toolFinished" ? [kind.value.outcome] : [],
    );
    // The tool's result outlived the outage: it is not reported as unknown.
    expect(finishes).toEqual([1]);
    await expectDone(await harness.submit("assistant", "after"));
  });
});
