import { expect, test } from "bun:test";
import type { KeyService } from "@warmpath/proto/state";
import { createMemoryBus, type ServiceClient } from "@warmpath/runtime";
import { systemClock, WarmpathError } from "@warmpath/runtime/base";
import { createProxyHealth } from "./health.ts";
import { createPool } from "./upstream/pool.ts";
import { parseReplicaAddresses } from "./upstream/replica.ts";

/** Readiness of a proxy with no healthy engine, whose state answers a look-up with this. */
async function readinessWith(answer: WarmpathError) {
  const addresses = parseReplicaAddresses(["http://127.0.0.1:9"], undefined);
  const pool = createPool({ addresses, inFlightMax: 1 });
  const asked: unknown[] = [];
  const lookUpKey = async (request: unknown) => {
    asked.push(request);
    throw answer;
  };
  // The one method of it that a check calls.
  const keys = { lookUpKey } as unknown as ServiceClient<typeof KeyService>;
  const bus = createMemoryBus();
  const { ready, checks } = await createProxyHealth({
    clock: systemClock,
    pool,
    keys,
    bus,
  }).ready();
  await bus.close();
  return { ready, checks, asked };
}

test("only a replica decides; state that is away is told as something it can do without", async () => {
  const { checks } = await readinessWith(new WarmpathError("rejected-unavailable", "nobody there"));
  expect(checks).toEqual([
    {
      name: "a replica with its model loaded",
      ok: false,
      detail: "no upstream is healthy",
    },
    { name: "state", ok: false, detail: "nobody there", optional: true },
    { name: "bus", ok: true, optional: true },
  ]);
});

test("that there is no such key is an answer of state", async () => {
  const { checks, asked } = await readinessWith(new WarmpathError("rejected-not-found", "no key"));
  expect(checks.find(({ name }) => name === "state")?.ok).toBe(true);
  expect(asked).toEqual([{ secretHash: new Uint8Array(32) }]);
});
