import { describe, expect, test } from "bun:test";
import { createMetrics } from "../telemetry/metrics.ts";
import { busContract } from "./bus.contract.ts";
import type { Bus } from "./bus.ts";
import { createBusMetrics } from "./bus-metrics.ts";
import { createMemoryBus } from "./memory-bus.ts";
import { namespacedBus } from "./namespaced-bus.ts";
import { createNatsBus } from "./nats-bus.ts";
import { keysRevokedSubject, liveSubject } from "./subjects.ts";

busContract("memory", () => createMemoryBus());
busContract("memory, namespaced", () => namespacedBus(createMemoryBus(), "one"));

const natsUrl = process.env["WARMPATH_TEST_NATS_URL"];
if (natsUrl === undefined) {
  console.warn("the bus contract does not run against NATS: WARMPATH_TEST_NATS_URL is not set");
} else {
  busContract("NATS", () => connected(createNatsBus({ url: natsUrl })));
}

async function connected(bus: Bus): Promise<Bus> {
  const deadlineMs = Date.now() + 5000;
  for (;;) {
    try {
      await bus.ready();
      return bus;
    } catch (error) {
      if (Date.now() > deadlineMs) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

describe("a bus without its server", () => {
  test("is not ready, drops and counts what is published, and closes at once", async () => {
    const metrics = createMetrics("test");
    const url = "nats://127.0.0.1:1";
    const bus = createNatsBus({ url, metrics: createBusMetrics(metrics) });
    await bus.subscribe("warmpath.x", () => undefined);
    bus.publish("warmpath.x", new Uint8Array(1));
    expect(await metrics.text()).toMatch(/dropped_total\{cause="disconnected".*\} 1/);
    await expect(bus.ready()).rejects.toMatchObject({ reason: "rejected-unavailable" });
    await bus.close();
  });
});

test("two namespaces on one server do not hear each other", async () => {
  const server = createMemoryBus();
  const heard: string[] = [];
  for (const namespace of ["one", "two"]) {
    const bus = namespacedBus(server, namespace);
    await bus.subscribe("warmpath.>", (_, subject) => heard.push(`${namespace} ${subject}`));
  }
  namespacedBus(server, "two").publish("warmpath.x", new Uint8Array(1));
  await Bun.sleep(0);
  expect(heard).toEqual(["two warmpath.x"]);
  await server.close();
});

describe("subjects", () => {
  test("lead with what is announced and then the tenant", () => {
    expect(liveSubject("acme", "task_1")).toBe("warmpath.live.acme.task_1");
    expect(keysRevokedSubject()).toBe("warmpath.keys.revoked");
  });

  test("cannot be widened by a caller's text", () => {
    expect(() => liveSubject("acme", "*")).toThrow();
    expect(() => liveSubject("acme.other", "task_1")).toThrow();
    expect(() => liveSubject("acme", "")).toThrow();
  });
});
