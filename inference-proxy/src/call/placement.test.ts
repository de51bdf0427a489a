import { afterEach, describe, expect, test } from "bun:test";
import {
  chunk,
  done,
  type FakeEngine,
  helloStream,
  otherTenantKey,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  testKey,
  usageChunk,
} from "../testing/index.ts";

/* Goal: many at once. Method: a proxy with small limits in front of engines that hold every request. */

const opened: (FakeEngine | TestProxy)[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await ("stop" in each ? each.stop() : each.close());
  }
});

async function setUp(count: number, config: Parameters<typeof startTestProxy>[1] = {}) {
  const engines = Array.from({ length: count }, () => startFakeEngine());
  opened.push(...engines);
  const proxy = await startTestProxy(engines, config);
  opened.push(proxy);
  return { engines, proxy };
}

const ask = { model: "tiny", messages: [{ role: "user", content: "hi" }], stream: true };

describe("placement", () => {
  test("a burst of 100 spreads evenly over four replicas, though all continue one conversation", async () => {
    const { engines, proxy } = await setUp(4);
    const gate = Promise.withResolvers<void>();
    for (const engine of engines) {
      engine.answer = () => gate.promise.then(() => streamOf(helloStream));
    }
    const all = Array.from({ length: 100 }, () => proxy.post("/v1/chat/completions", ask));
    while (engines.reduce((sum, { seen }) => sum + seen.length, 0) < 100) {
      await Bun.sleep(5);
    }
    expect(engines.map(({ seen }) => seen.length)).toEqual([25, 25, 25, 25]);
    gate.resolve();
    for (const response of await Promise.all(all)) {
      expect(response.status).toBe(200);
      await response.text();
    }
  });

  test("what does not fit the queue is refused with 503 and Retry-After, the rest is served in turn", async () => {
    const { engines, proxy } = await setUp(1, { replicaInFlightMax: 2, queueRequestsMax: 3 });
    const engine = engines[0] as FakeEngine;
    engine.answer = () => streamOf(helloStream, { pauseMs: 20 });
    const all = await Promise.all(
      Array.from({ length: 10 }, () => proxy.post("/v1/chat/completions", ask)),
    );
    const refused = all.filter(({ status }) => status === 503);
    expect(refused.length).toBe(5);
    for (const response of refused) {
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(response.headers.get("x-warmpath-queue-position")).toBe("4");
    }
    const places = all.filter(({ status }) => status === 200).map(({ headers }) => headers);
    expect(places.map((headers) => headers.get("x-warmpath-queue-position")).toSorted()).toEqual([
      "1",
      "2",
      "3",
      null,
      null,
    ]);
    expect(all.filter(({ status }) => status === 200).length).toBe(5);
    await Promise.all(all.map((response) => response.text()));
    expect(engine.seen.length).toBe(5);
  });

  test("who waits too long is refused with 503; better lanes go first", async () => {
    const { engines, proxy } = await setUp(1, { replicaInFlightMax: 1, queueWaitMsMax: 400 });
    const engine = engines[0] as FakeEngine;
    const order: string[] = [];
    engine.answer = (request) => {
      order.push(JSON.parse(request.body).user);
      return streamOf([chunk({ content: "x" }, "stop"), done], { pauseMs: 30 });
    };
    const post = async (lane: string) => {
      const body = { ...ask, user: lane };
      const headers = { "x-warmpath-lane": lane };
      const response = await proxy.post("/v1/chat/completions", body, { headers });
      await response.text();
      return response.status;
    };
    const first = post("standard");
    await Bun.sleep(10);
    const rest = ["batch", "standard", "interactive"].map(post);
    expect(await Promise.all([first, ...rest])).toEqual([200, 200, 200, 200]);
    expect(order).toEqual(["standard", "interactive", "standard", "batch"]);
    engine.answer = () => streamOf([], { hangsAtEnd: true });
    const held = new AbortController();
    const holder = proxy.post("/v1/chat/completions", ask, { signal: held.signal });
    await Bun.sleep(20);
    const late = await proxy.post("/v1/chat/completions", ask);
    expect([late.status, Number(late.headers.get("retry-after")) > 0]).toEqual([503, true]);
    held.abort();
    expect(holder).rejects.toThrow();
  });

  test("a tenant that fills the queue has to make room in it for another", async () => {
    const { engines, proxy } = await setUp(1, { replicaInFlightMax: 1, queueRequestsMax: 2 });
    proxy.keys.set(otherTenantKey, 0);
    const engine = engines[0] as FakeEngine;
    const hold = Promise.withResolvers<void>();
    engine.answer = () => hold.promise.then(() => streamOf(helloStream));
    const statusOf = async (key: string) => {
      const headers = { authorization: `Bearer ${key}` };
      const response = await proxy.post("/v1/chat/completions", ask, { headers });
      await response.text();
      return response.status;
    };
    const waiting = async (count: number) => {
      const text = `queue_requests{service="inference-proxy"} ${count}`;
      while (!(await proxy.metrics.text()).includes(text)) {
        await Bun.sleep(2);
      }
    };
    const first = statusOf(testKey);
    while (engine.seen.length === 0) {
      await Bun.sleep(2);
    }
    const early = statusOf(testKey);
    await waiting(1);
    const late = statusOf(testKey);
    await waiting(2);
    const other = statusOf(otherTenantKey);
    expect(await late).toBe(503);
    hold.resolve();
    expect(await Promise.all([first, early, other])).toEqual([200, 200, 200]);
  });

  test("while replicas are full, who had little service goes before who had much", async () => {
    const { engines, proxy } = await setUp(1, { replicaInFlightMax: 1 });
    const engine = engines[0] as FakeEngine;
    const order: string[] = [];
    let release = Promise.withResolvers<void>();
    engine.answer = async (request) => {
      order.push(JSON.parse(request.body).user);
      await release.promise;
      return streamOf([chunk({ content: "x" }, "stop"), usageChunk(9000, 500), done]);
    };
    const post = async (user: string) => {
      const headers = { "x-session-id": user };
      const response = await proxy.post("/v1/chat/completions", { ...ask, user }, { headers });
      return await response.text();
    };
    const queued = async (count: number) => {
      while (
        !(await proxy.metrics.text()).includes(`queue_requests{service="inference-proxy"} ${count}`)
      ) {
        await Bun.sleep(2);
      }
    };
    const seen = async (count: number) => {
      while (order.length < count) {
        await Bun.sleep(2);
      }
    };
    release.resolve();
    await post("long");
    release = Promise.withResolvers<void>();
    const running = post("holder");
    await seen(2);
    const waiting = [post("long")];
    await queued(1);
    waiting.push(post("new"));
    await queued(2);
    release.resolve();
    await Promise.all([running, ...waiting]);
    expect(order).toEqual(["long", "holder", "new", "long"]);
  });

  test("a tenant that queues ten at once does not keep another waiting behind them", async () => {
    const { engines, proxy } = await setUp(1, { replicaInFlightMax: 1 });
    proxy.keys.set(otherTenantKey, 0);
    const engine = engines[0] as FakeEngine;
    const order: string[] = [];
    engine.answer = (request) => {
      order.push(JSON.parse(request.body).user);
      return streamOf([chunk({ content: "x" }, "stop"), done], { pauseMs: 50 });
    };
    const post = async (user: string, key: string) => {
      const headers = { authorization: `Bearer ${key}` };
      const response = await proxy.post("/v1/chat/completions", { ...ask, user }, { headers });
      await response.text();
      return response.status;
    };
    // One round for each key, so that nobody's first look-up decides about the order.
    expect([await post("warm", testKey), await post("warm", otherTenantKey)]).toEqual([200, 200]);
    const noisy = Array.from({ length: 10 }, () => post("noisy", testKey));
    while (!(await proxy.metrics.text()).includes('queue_requests{service="inference-proxy"} 9')) {
      await Bun.sleep(1);
    }
    const quiet = post("quiet", otherTenantKey);
    expect(new Set(await Promise.all([...noisy, quiet]))).toEqual(new Set([200]));
    expect(order.indexOf("quiet")).toBeLessThanOrEqual(5);
    expect(engine.seen.length).toBe(13);
  });

  test("with no healthy replica the answer is 503, and readiness says so", async () => {
    const { engines, proxy } = await setUp(1, { probeFailuresMax: 1 });
    expect((await fetch(`${proxy.url}/ready`)).status).toBe(200);
    const engine = engines[0] as FakeEngine;
    engine.health = 503;
    await Bun.sleep(100);
    const response = await proxy.post("/v1/chat/completions", ask);
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(engine.seen.length).toBe(0);
    expect((await fetch(`${proxy.url}/health`)).status).toBe(200);
  });
});

describe("contexts of different length", () => {
  test("prompts go where they fit; counted ones that fit nowhere are refused with both numbers", async () => {
    const engines = [100, 200].map((contextTokens) => startFakeEngine({ contextTokens }));
    opened.push(...engines);
    const proxy = await startTestProxy(engines, {});
    opened.push(proxy);
    for (const engine of engines) {
      engine.answer = () => streamOf(helloStream);
    }
    const post = (tokens: number) =>
      proxy.post("/v1/completions", {
        model: "tiny",
        stream: true,
        prompt: Array.from({ length: tokens }, (_, index) => index),
      });
    for (let round = 0; round < 8; round += 1) {
      const response = await post(150);
      expect(response.status).toBe(200);
      await response.text();
    }
    expect(engines.map(({ seen }) => seen.length)).toEqual([0, 8]);
    const refused = await post(300);
    expect(refused.status).toBe(400);
    const { error } = (await refused.json()) as { error: { message: string } };
    expect(error.message).toContain("300 tokens");
    expect(error.message).toContain("200");
    const text = { ...ask, messages: [{ role: "user", content: "word ".repeat(400) }] };
    expect((await proxy.post("/v1/chat/completions", text)).status).toBe(200);
    expect(engines.map(({ seen }) => seen.length)).toEqual([0, 9]);
  });
});

describe("the rate of a key", () => {
  test("requests per minute are those of the key", async () => {
    const { engines, proxy } = await setUp(1);
    (engines[0] as FakeEngine).answer = () => streamOf(helloStream);
    proxy.keys.set(testKey, 2);
    const statuses: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      statuses.push((await proxy.post("/v1/chat/completions", ask)).status);
    }
    expect(statuses).toEqual([200, 200, 429]);
  });

  test("tokens beyond it are refused with 429 and Retry-After; what was not used is given back", async () => {
    const { engines, proxy } = await setUp(1, { tokensPerMinute: 1000 });
    (engines[0] as FakeEngine).answer = () => streamOf(helloStream);
    const body = { ...ask, max_tokens: 400 };
    const statuses: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const response = await proxy.post("/v1/chat/completions", body);
      await response.text();
      statuses.push(response.status);
    }
    // 14 tokens were used each time, and the rest of each reservation was given back.
    expect(statuses).toEqual([200, 200, 200]);
    const large = { ...ask, max_tokens: 5000 };
    const second = await Promise.all(
      [large, large].map((each) => proxy.post("/v1/chat/completions", each)),
    );
    const limited = second.filter(({ status }) => status === 429);
    expect(limited.length).toBeGreaterThan(0);
    for (const response of limited) {
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(await response.json()).toMatchObject({ error: { code: "rate_limit_exceeded" } });
    }
  });
});
