/* Goal: what is known of a place's cache is known of the engine that is in it now, and of no other. */

import { afterEach, expect, test } from "bun:test";
import { createMetrics } from "@warmpath/runtime";
import { seededRandom, silentLogger, systemClock } from "@warmpath/runtime/base";
import { parseUpstreams, placeOfPod } from "../upstream/pod-places.ts";
import { createPool } from "../upstream/pool.ts";
import { startKvKnowledge } from "./knowledge.ts";
import { createKvEventsMetrics } from "./metrics.ts";

const opened: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) {
    await each.close();
  }
});

/** An engine at its own loopback address that notes who asks it for its events. */
function startEngine(hostname: string, port: number, asked: string[]): number {
  const server = Bun.serve({
    hostname,
    port,
    fetch: ({ url, headers }) => {
      asked.push(`${hostname}${new URL(url).pathname} as ${headers.get("host")}`);
      return Response.json({});
    },
  });
  opened.push({ close: () => server.stop(true) });
  return server.port ?? 0;
}

/** What is known of one place, which `move` gives to a pod, or to nobody. */
function startPlace(port: number) {
  const addresses = parseUpstreams([`dns://engines.test:${port}`], undefined, 1);
  const pool = createPool({ addresses, inFlightMax: 1 });
  const metrics = createMetrics("inference-proxy");
  const knowledge = startKvKnowledge({
    pool,
    configured: new Map(),
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    metrics: createKvEventsMetrics(metrics),
    limits: {
      isDiscovering: true,
      timeoutMs: 2000,
      stallMs: 5000,
      blocksMax: 1000,
      messageBytesMax: 1 << 20,
    },
  });
  opened.push(knowledge);
  const name = `engines.test:${port}~0`;
  const move = (ip: string | undefined) => {
    const { address } = pool.find(name) ?? {};
    if (address?.pod === undefined) throw new Error("the place is missing");
    pool.move(name, placeOfPod(address, address.pod, ip));
  };
  return { pool, name, metrics, move };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !isTrue(); tries += 1) await Bun.sleep(10);
}

test("a place that is empty follows nobody any more, and reports no trust", async () => {
  let connections = 0;
  const publisher = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: () => {
        connections += 1;
      },
      close: () => {
        connections -= 1;
      },
      data: () => undefined,
    },
  });
  opened.push({ close: async () => publisher.stop(true) });
  const source = { endpoint: `tcp://*:${publisher.port}` };
  const engine = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => Response.json({ "0": source }),
  });
  opened.push({ close: () => engine.stop(true) });
  const { pool, name, metrics, move } = startPlace(engine.port ?? 0);
  move("127.0.0.1");
  pool.update(name, { healthy: true, kind: "vllm" });
  await until(() => connections > 0);
  expect(await metrics.text()).toContain(`kv_events_trusted{replica="${name}"`);
  pool.update(name, { healthy: false });
  move(undefined);
  await until(() => connections === 0);
  expect(connections).toBe(0);
  expect(await metrics.text()).not.toContain("kv_events_trusted{replica");
});

test("another pod in a place is asked for its events, though the place was never seen empty", async () => {
  const asked: string[] = [];
  const port = startEngine("127.0.0.1", 0, asked);
  startEngine("127.0.0.2", port, asked);
  const { pool, name, move } = startPlace(port);
  const arrive = async (ip: string, count: number) => {
    // In one breath: nobody looks between the two.
    move(ip);
    pool.update(name, { healthy: true, kind: "vllm" });
    await until(() => asked.length >= count);
  };
  await arrive("127.0.0.1", 1);
  await arrive("127.0.0.2", 2);
  expect(asked).toEqual([
    `127.0.0.1/kv_event_sources as engines.test:${port}`,
    `127.0.0.2/kv_event_sources as engines.test:${port}`,
  ]);
});
