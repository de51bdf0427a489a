import { describe, expect, test } from "bun:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import {
  createLogger,
  type Logger,
  silentLogger,
  systemClock,
  WarmpathError,
} from "@warmpath/runtime/base";
import { createMemoryQueue } from "./memory-queue.ts";
import { createNatsQueue } from "./nats-queue.ts";
import { queueContract } from "./queue.contract.ts";

queueContract("memory", () => createMemoryQueue(systemClock));

const url = process.env["WARMPATH_TEST_NATS_URL"];
queueContract(
  "JetStream",
  () =>
    createNatsQueue({
      url: url ?? "",
      log: silentLogger,
      clock: systemClock,
      name: `TEST_${crypto.randomUUID().replaceAll("-", "")}`,
      messagesMax: 1000,
    }),
  url === undefined ? "WARMPATH_TEST_NATS_URL is not set" : undefined,
);

test.skipIf(url === undefined)(
  "each lane is a consumer of its name, whose lag is what an autoscaler reads",
  async () => {
    const name = `TEST_${crypto.randomUUID().replaceAll("-", "")}`;
    const queue = createNatsQueue({ url: url ?? "", log: silentLogger, clock: systemClock, name });
    const connection = await connect({ servers: url ?? "" });
    try {
      const message = (taskId: string, lane: "batch" | "interactive") => ({
        ref: { tenant: "acme", taskId },
        lane,
        dedupeId: taskId,
      });
      await queue.publish([
        message("a", "batch"),
        message("b", "batch"),
        message("c", "interactive"),
      ]);
      const { consumers, streams } = await jetstreamManager(connection);
      const lags: Record<string, number> = {};
      for await (const consumer of consumers.list(name)) {
        lags[consumer.name] = consumer.num_pending + consumer.num_ack_pending;
      }
      expect(lags).toEqual({ interactive: 1, standard: 0, batch: 2 });
      await streams.delete(name);
    } finally {
      await queue.close();
      await connection.close();
    }
  },
);

describe.skipIf(url === undefined)("the stream of the dispatches", () => {
  const open = (name: string, log: Logger, replicas = 1) =>
    createNatsQueue({ url: url ?? "", log, clock: systemClock, name, replicas });
  const logTo = (lines: string[]) =>
    createLogger({
      service: "test",
      level: "warn",
      format: "json",
      write: (line) => void lines.push(line),
    });

  test.each([
    ["that is there", [1, 3]],
    ["that is not there", [3]],
  ])(
    "%s and is asked for on more servers than there are: the setting is told, in the log and to who asks",
    async (_, replicas) => {
      const name = `TEST_${crypto.randomUUID().replaceAll("-", "")}`;
      const lines: string[] = [];
      for (const count of replicas) {
        const queue = open(name, logTo(lines), count);
        const ready = await queue.ready().then(() => "ready", WarmpathError.from);
        await queue.close();
        if (count === 1) {
          expect(ready).toBe("ready");
          continue;
        }
        const deed = replicas.length === 2 ? "change" : "add";
        const text = `JetStream did not ${deed} the stream ${name}: WARMPATH_QUEUE_REPLICAS is 3, more servers than this NATS has; lower it`;
        expect(ready).toMatchObject({
          reason: "rejected-unavailable",
          message: expect.stringContaining(text),
        });
        expect(lines).toEqual([expect.stringContaining("10074: replicas > 1 not supported")]);
      }
    },
  );

  test("a change that is refused is told as it is, and not as a stream that cannot be added", async () => {
    const name = `TEST_${crypto.randomUUID().replaceAll("-", "")}`;
    const connection = await connect({ servers: url ?? "" });
    const { streams } = await jetstreamManager(connection);
    // Somebody else's stream has the subjects that ours, which is there, is to have.
    await streams.add({ name: `${name}_other`, subjects: [`${name}.>`] });
    await streams.add({ name, subjects: [`none.${name}`] });
    const queue = open(name, silentLogger);
    try {
      const failed = await queue.ready().catch(WarmpathError.from);
      expect(failed).toMatchObject({
        message: `JetStream did not change the stream ${name} (10065: subjects overlap with an existing stream)`,
      });
    } finally {
      await queue.close();
      await streams.delete(name);
      await streams.delete(`${name}_other`);
      await connection.close();
    }
  });

  test("is changed where it is there: more room at the next start", async () => {
    const name = `TEST_${crypto.randomUUID().replaceAll("-", "")}`;
    const connection = await connect({ servers: url ?? "" });
    const { streams, consumers } = await jetstreamManager(connection);
    try {
      for (const messagesMax of [10, 20]) {
        const options = { url: url ?? "", log: silentLogger, clock: systemClock, name };
        const queue = createNatsQueue({ ...options, messagesMax });
        await queue.ready();
        await queue.close();
        expect((await streams.info(name)).config.max_msgs).toBe(messagesMax);
        const { config } = await consumers.info(name, "batch");
        expect(config.max_ack_pending).toBe(messagesMax);
      }
    } finally {
      await streams.delete(name);
      await connection.close();
    }
  });
});

describe("dispatch queues at their limits", () => {
  test("memory refuses what it has no room for", async () => {
    const queue = createMemoryQueue(systemClock, 1);
    const message = (taskId: string) => ({
      ref: { tenant: "acme", taskId },
      lane: "batch" as const,
      dedupeId: taskId,
    });
    await queue.publish([message("a")]);
    const full = await queue.publish([message("b")]).catch(WarmpathError.from);
    expect(full).toMatchObject({ reason: "rejected-queue-full" });
  });

  test("a JetStream that is away fails every call instead of waiting", async () => {
    const queue = createNatsQueue({
      url: "nats://127.0.0.1:1",
      log: silentLogger,
      clock: systemClock,
    });
    const pulled = queue.pull(["standard"], AbortSignal.timeout(5000)).catch(WarmpathError.from);
    expect(await pulled).toMatchObject({ reason: "rejected-unavailable" });
    await queue.close();
  });
});
