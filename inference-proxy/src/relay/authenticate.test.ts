import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { keysRevokedSubject } from "@warmpath/runtime";
import {
  type FakeEngine,
  startFakeEngine,
  startTestProxy,
  type TestProxy,
  testKey,
} from "../testing/index.ts";

let engine: FakeEngine;
let proxy: TestProxy;

beforeEach(async () => {
  engine = startFakeEngine();
  proxy = await startTestProxy([engine], { cachedKeysMax: 2, keyLookUpsMax: 8 });
});

afterEach(async () => {
  await proxy.close();
  await engine.stop();
});

async function statusWith(key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` };
  return (await fetch(`${proxy.url}/v1/models`, { headers })).status;
}

async function eventually(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 100 && !holds(); round += 1) {
    await Bun.sleep(10);
  }
}

describe("API keys", () => {
  test("are looked up once for many requests at once, known or not", async () => {
    const statuses = await Promise.all(
      Array.from({ length: 20 }, (_, index) => statusWith(index % 2 === 0 ? testKey : "wrong")),
    );
    expect(new Set(statuses)).toEqual(new Set([200, 401]));
    expect(proxy.lookUps.count).toBe(2);
  });

  test("are refused as soon as their revocation is announced", async () => {
    expect(await statusWith(testKey)).toBe(200);
    proxy.keys.clear();
    expect(await statusWith(testKey)).toBe(200);
    proxy.bus.publish(keysRevokedSubject(), new Uint8Array());
    await Bun.sleep(10);
    expect(await statusWith(testKey)).toBe(401);
  });

  test("are not believed for longer when a look-up was overtaken by their revocation", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    proxy.lookUps.held = promise;
    const asked = statusWith(testKey);
    await eventually(() => proxy.lookUps.count === 1);
    proxy.keys.clear();
    proxy.bus.publish(keysRevokedSubject(), new Uint8Array());
    await Bun.sleep(10);
    resolve();
    await asked;
    expect(await statusWith(testKey)).toBe(401);
  });

  test("of callers who come after a revocation are not looked up together with earlier ones", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    proxy.lookUps.held = promise;
    const early = statusWith(testKey);
    await eventually(() => proxy.lookUps.count === 1);
    proxy.bus.publish(keysRevokedSubject(), new Uint8Array());
    await Bun.sleep(10);
    const late = statusWith(testKey);
    await eventually(() => proxy.lookUps.count === 2);
    resolve();
    await Promise.all([early, late]);
    expect(proxy.lookUps.count).toBe(2);
  });

  test("that are made up do not push out one that works", async () => {
    await statusWith(testKey);
    for (const key of ["a", "b", "c"]) {
      await statusWith(key);
    }
    const before = proxy.lookUps.count;
    expect(await statusWith(testKey)).toBe(200);
    expect(proxy.lookUps.count).toBe(before);
  });

  test("are not looked up in a flood: beyond the bound a caller is told when to retry", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    proxy.lookUps.held = promise;
    const asked = Array.from({ length: 12 }, (_, index) =>
      fetch(`${proxy.url}/v1/models`, { headers: { authorization: `Bearer made-up-${index}` } }),
    );
    const refused: Response[] = [];
    for (const each of asked) {
      each.then(
        (response) => response.status === 503 && refused.push(response),
        () => undefined,
      );
    }
    // Whoever came later than the answers would be looked up, and rightly so.
    await eventually(() => refused.length === 4);
    expect(refused.map(({ headers }) => headers.get("retry-after"))).toEqual(["1", "1", "1", "1"]);
    resolve();
    await Promise.all(asked);
    expect(proxy.lookUps.count).toBeLessThanOrEqual(8);
  });

  test("fill the cache only to its limit", async () => {
    for (const key of ["a", "b", "c", "a"]) {
      await statusWith(key);
    }
    expect(proxy.lookUps.count).toBe(4);
  });
});

describe("GET /v1/models", () => {
  test("lists what can be called, and one by its id, which vLLM itself cannot", async () => {
    const headers = { authorization: `Bearer ${testKey}` };
    const list = await (await fetch(`${proxy.url}/v1/models`, { headers })).json();
    const one = await fetch(`${proxy.url}/v1/models/tiny`, { headers });
    expect(list).toMatchObject({ object: "list", data: [{ id: "tiny", max_model_len: 4096 }] });
    expect(await one.json()).toMatchObject({ id: "tiny", object: "model" });
    expect((await fetch(`${proxy.url}/v1/models/%zz`, { headers })).status).toBe(404);
    const none = await fetch(`${proxy.url}/v1/models/nope`, { headers });
    expect(none.status).toBe(404);
    expect(await none.json()).toMatchObject({ error: { code: "model_not_found" } });
  });
});
