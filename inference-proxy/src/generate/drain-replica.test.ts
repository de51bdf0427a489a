import { afterEach, expect, test } from "bun:test";
import { testPrincipal } from "@warmpath/runtime/testing";
import { chunk, done, startFakeEngine, startTestProxy, streamOf } from "../testing/index.ts";

/*
 * Goal: an operator empties a replica without a caller noticing. Method: two engines whose streams
 * end when the test says so.
 */

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) {
    await close();
  }
});

const operator = { principal: testPrincipal({ tenant: "ops" }) };

async function setUp() {
  const engines = [startFakeEngine(), startFakeEngine()];
  for (const engine of engines) {
    engine.answer = () =>
      streamOf([chunk({ content: "hel" }), chunk({ content: "lo" }, "stop"), done], {
        pauseMs: 50,
      });
    closers.push(() => engine.stop());
  }
  const proxy = await startTestProxy(engines, { operatorTenants: ["ops"] });
  closers.push(() => proxy.close());
  const ask = (content = "hi") =>
    proxy.post("/v1/chat/completions", {
      model: "tiny",
      stream: true,
      messages: [{ role: "user", content }],
    });
  return { proxy, ask };
}

test("a drained replica ends what it runs and gets nothing new, until it is resumed", async () => {
  const { proxy, ask } = await setUp();
  const running = await ask();
  const name = running.headers.get("x-warmpath-replica") ?? "";
  const drained = await proxy.inference.drainReplica({ replica: name }, operator);
  expect([drained.replica?.draining, drained.replica?.inFlight]).toEqual([true, 1]);
  const next = await Promise.all(Array.from({ length: 6 }, () => ask()));
  for (const response of next) {
    expect(response.headers.get("x-warmpath-replica")).not.toBe(name);
    expect(await response.text()).toContain("[DONE]");
  }
  expect(await running.text()).toContain("[DONE]");
  const resumed = await proxy.inference.resumeReplica({ replica: name }, operator);
  expect(resumed.replica?.draining).toBe(false);
  const replicas = new Set<string | null>();
  for (let turn = 0; turn < 20 && !replicas.has(name); turn += 1) {
    const response = await ask(`turn ${turn}`);
    replicas.add(response.headers.get("x-warmpath-replica"));
    await response.text();
  }
  expect(replicas.has(name)).toBe(true);
});

test("with every replica drained a request is told so at once", async () => {
  const { proxy, ask } = await setUp();
  for (const { name } of (await proxy.inference.listReplicas({}, operator)).replicas) {
    await proxy.inference.drainReplica({ replica: name }, operator);
  }
  expect((await ask()).status).toBe(503);
});

test("only an operator drains, and only what there is", async () => {
  const { proxy } = await setUp();
  const guest = { principal: testPrincipal({ tenant: "acme" }) };
  const refused = await proxy.inference
    .drainReplica({ replica: "x" }, guest)
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({ reason: "rejected-permission" });
  const unknown = await proxy.inference
    .drainReplica({ replica: "x" }, operator)
    .catch((error: unknown) => error);
  expect(unknown).toMatchObject({ reason: "rejected-not-found" });
});
