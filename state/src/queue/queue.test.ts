import { describe, expect, test } from "bun:test";
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
