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

test("another pod in a place is asked for its events, though the place was never seen empty", async () => {
  const asked: string[] = [];
  const port = startEngine("127.0.0.1", 0, asked);
  startEngine("127.0.0.2", port, asked);
  const addresses = parseUpstreams([`dns://engines.test:${port}`], undefined, 1);
  const pool = createPool({ addresses, inFlightMax: 1 });
  const knowledge = startKvKnowledge({
    pool,
    configured: new Map(),
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    metrics: createKvEventsMetrics(createMetrics("inference-proxy")),
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
  const arrive = async (ip: string, count: number) => {
    const { address } = pool.find(name) ?? {};
    if (address?.pod === undefined) throw new Error("the place is missing");
    // In one breath: nobody looks between the two.
    pool.move(name, placeOfPod(address, address.pod, ip));
    pool.update(name, { healthy: true, kind: "vllm" });
    for (let tries = 0; tries < 200 && asked.length < count; tries += 1) await Bun.sleep(10);
  };
  await arrive("127.0.0.1", 1);
  await arrive("127.0.0.2", 2);
  expect(asked).toEqual([
    `127.0.0.1/kv_event_sources as engines.test:${port}`,
    `127.0.0.2/kv_event_sources as engines.test:${port}`,
  ]);
});
