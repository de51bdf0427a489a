import { expect, test } from "bun:test";
import { silentLogger } from "@warmpath/runtime/base";
import { createManualClock } from "@warmpath/runtime/testing";
import { startMonitor } from "./monitor.ts";
import { createPool } from "./pool.ts";
import { parseReplicaAddresses, unprobed } from "./replica.ts";

/* Goal: whatever happens to one round of probes, the next one comes. */

test("a listener of the pool that throws neither ends the probes nor takes the replica out", async () => {
  const clock = createManualClock();
  const addresses = parseReplicaAddresses(["http://a:1"], undefined);
  const pool = createPool({ addresses, inFlightMax: 1 });
  let probes = 0;
  const faults: unknown[] = [];
  pool.onChange(() => {
    throw new Error("a listener's fault");
  });
  const monitor = startMonitor({
    pool,
    limits: { intervalMs: 10, failuresMax: 1, timeoutMs: 1000, modelsMax: 1 },
    probe: async () => {
      probes += 1;
      return { ...unprobed, kind: "vllm", healthy: true };
    },
    clock,
    log: { ...silentLogger, error: (_, fields) => faults.push(fields?.["error"]) },
  });
  await monitor.firstRound;
  await clock.advance(10);
  await clock.advance(10);
  expect(probes).toBe(3);
  expect(faults.map(String)).toEqual(Array.from({ length: 3 }, () => "Error: a listener's fault"));
  expect(pool.endpoints[0]?.healthy).toBe(true);
  monitor.close();
});
