import { describe, expect, test } from "bun:test";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { silentLogger, systemClock, WarmpathError } from "@warmpath/runtime/base";
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
