/**
 * Goal: several worker processes on one database, killed at random, leave for every task one log
 * without gap, each step in it once, and no effect that is not idempotent twice. Method: real
 * PostgreSQL; three processes that are killed or frozen while many short tasks run, some of them in
 * conversations; then the tables are read.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { AgentRegistry, TaskService } from "@warmpath/proto/state";
import {
  createMemoryBus,
  createMetrics,
  createRpcServer,
  createServiceClient,
  type ServiceClient,
  servicePrincipal,
  tracingOff,
} from "@warmpath/runtime";
import { seededRandom, silentLogger, systemClock } from "@warmpath/runtime/base";
import { createTestSigner } from "@warmpath/runtime/testing";
import { createNatsQueue, createStateServer, logConfigDefault } from "@warmpath/state";
import { createMemoryHot, openTestStore, type TestStore } from "@warmpath/state/testing";
import { createEffectTable } from "../testing/effect-rows.ts";
import { ada } from "../testing/harness.ts";

setDefaultTimeout(90_000);

const entry = fileURLToPath(new URL("../testing/worker-process.ts", import.meta.url));
const natsUrl = process.env["WARMPATH_TEST_NATS_URL"];
const hasPostgres = process.env["WARMPATH_TEST_POSTGRES_URL"] !== undefined;
/** Nothing listens there: then the workers look into the database instead. */
const noServer = "nats://127.0.0.1:1";
const taskCount = 120;
const killCount = 6;

interface EventRow {
  readonly task_id: string;
  readonly seq: bigint;
  readonly epoch: bigint;
  readonly kind: string;
  readonly recorded_at: number;
}

for (const queueUrl of natsUrl === undefined ? [noServer] : [natsUrl, noServer]) {
  const name = queueUrl === noServer ? "without a queue" : "over JetStream";
  describe.skipIf(!hasPostgres)(`three worker processes ${name}, killed at random`, () => {
    let db: TestStore;
    let stop: () => Promise<void>;
    let tasks: ServiceClient<typeof TaskService>;
    const workers: Bun.Subprocess<"ignore", "pipe", "inherit">[] = [];
    const stream = `several_${crypto.randomUUID().slice(0, 8)}`;

    const startWorkerProcess = async (index: number) => {
      const worker = Bun.spawn([process.execPath, entry], {
        env: {
          ...process.env,
          DATABASE_URL: db.databaseUrl,
          NATS_URL: queueUrl,
          STREAM: stream,
          LEASE_MS: "1500",
        },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "inherit",
      });
      workers[index] = worker;
      await worker.stdout.getReader().read();
    };

    beforeAll(async () => {
      db = await openTestStore("PostgreSQL");
      await createEffectTable(db.store);
      const clock = systemClock;
      const queue = createNatsQueue({ url: queueUrl, name: stream, log: silentLogger, clock });
      const server = createStateServer({
        store: db.store,
        hot: createMemoryHot(clock),
        queue,
        bus: createMemoryBus(),
        clock,
        log: silentLogger,
        // A dispatch in the hands of a killed worker is made again soon, so that the test is short.
        config: { ...logConfigDefault, redispatchMs: 1_000 },
        sweepMs: 100,
      });
      await server.start({ isQueueEmpty: false, isOnlyProcess: false });
      const rpc = { signer: createTestSigner(), tracing: tracingOff, log: silentLogger, clock };
      const metrics = createMetrics("state");
      const options = { ...rpc, service: "state", routes: server.routes, metrics };
      const transport = createRpcServer(options).transport();
      tasks = createServiceClient(TaskService, transport, { ...rpc, timeoutMs: 5_000 });
      await createServiceClient(AgentRegistry, transport, {
        ...rpc,
        timeoutMs: 5_000,
      }).registerAgents(
        { agents: [{ name: "spender", description: "d", specHash: "0".repeat(64) }] },
        { principal: servicePrincipal("orchestrator") },
      );
      stop = async () => {
        await server.stop();
        await queue.close();
      };
      await Promise.all([0, 1, 2].map(startWorkerProcess));
    });
    afterAll(async () => {
      for (const worker of workers) worker.kill("SIGKILL");
      await Promise.all(workers.map((worker) => worker.exited));
      await stop?.();
      await db?.close();
    });

    test("every task ends once, its log has no gap, and nothing recorded is done again", async () => {
      const random = seededRandom(7);
      const submitting = (async () => {
        for (let index = 0; index < taskCount; index++) {
          const threadId = index % 4 === 0 ? `thread-${index % 16}` : "";
          await tasks.createTask(
            { agent: "spender", text: `task ${index}`, threadId },
            { principal: ada },
          );
          await Bun.sleep(15);
        }
      })();
      // One is also frozen for longer than its lease: it wakes up as a stale worker.
      const freezing = (async () => {
        await Bun.sleep(300);
        workers[0]?.kill("SIGSTOP");
        await Bun.sleep(2_500);
        workers[0]?.kill("SIGCONT");
      })();
      for (let kill = 0; kill < killCount; kill++) {
        await Bun.sleep(200 + random.next() * 400);
        const victim = 1 + Math.floor(random.next() * 2);
        workers[victim]?.kill("SIGKILL");
        await workers[victim]?.exited;
        await startWorkerProcess(victim);
      }
      await Promise.all([submitting, freezing]);
      await untilAllEnded(db);

      const states = await db.store.write.query<{ state: string; count: bigint }>(
        "select state, count(*) as count from tasks group by state",
      );
      expect(states).toEqual([{ state: "COMPLETED", count: BigInt(taskCount) }]);
      const events = await db.store.write.query<EventRow>(
        "select task_id, seq, epoch, kind, recorded_at from events order by task_id, seq",
      );
      for (const log of Map.groupBy(events, ({ task_id }) => task_id).values()) expectWhole(log);
      await expectEffectsOnce(db);
      await expectTurns(db);
      // The kills did hit runs: otherwise this test shows nothing.
      const [taken] = await db.store.write.query<{ count: bigint }>(
        "select count(*) as count from tasks where epoch > 1",
      );
      expect(Number(taken?.count ?? 0)).toBeGreaterThan(0);
    });
  });
}

async function untilAllEnded(db: TestStore): Promise<void> {
  const deadline = performance.now() + 40_000;
  for (;;) {
    const open = await db.store.write.query<{ task_id: string; state: string }>(
      "select task_id, state from tasks where state in ('QUEUED', 'RUNNING', 'WAITING')",
    );
    if (open.length === 0) return;
    if (performance.now() > deadline) throw new Error(`not ended: ${open.length} tasks`);
    await Bun.sleep(100);
  }
}

/** One task's log: numbered without gap, epochs never fall, one of each step, one end. */
function expectWhole(log: readonly EventRow[]): void {
  expect(log.map(({ seq }) => Number(seq))).toEqual(log.map((_, index) => index + 1));
  const epochs = log.map(({ epoch }) => Number(epoch));
  expect(epochs).toEqual([...epochs].sort((a, b) => a - b));
  const count = (kind: string) => log.filter((event) => event.kind === kind).length;
  expect(count("modelAnswered")).toBe(3);
  expect(count("toolsExecuting")).toBe(3);
  expect(count("toolsFinished")).toBe(3);
  expect(count("started")).toBe(1);
  expect(count("completed")).toBe(1);
  expect(log.at(-1)?.kind).toBe("completed");
}

async function expectEffectsOnce(db: TestStore): Promise<void> {
  const twice = await db.store.write.query(
    "select key from effects where tool = 'spend' group by key having count(*) > 1",
  );
  expect(twice).toEqual([]);
}

/** The tasks of a conversation started each after the end of the one before it. */
async function expectTurns(db: TestStore): Promise<void> {
  const early = await db.store.write.query(
    `select later.task_id from tasks later
     join tasks earlier on earlier.thread_id = later.thread_id
       and earlier.thread_order = later.thread_order - 1
     join events s on s.task_id = later.task_id and s.kind = 'started'
     join events c on c.task_id = earlier.task_id and c.kind = 'completed'
     where s.recorded_at < c.recorded_at`,
  );
  expect(early).toEqual([]);
}
