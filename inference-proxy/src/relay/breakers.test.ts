import { afterEach, describe, expect, test } from "bun:test";
import {
  type FakeEngine,
  helloStream,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
} from "../testing/index.ts";

/*
 * Goal: a replica that looks well and serves badly is left alone, and back soon after it recovers.
 * Method: engines whose health page stays 200 while their answers fail.
 */

const opened: (FakeEngine | TestProxy)[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await ("stop" in each ? each.stop() : each.close());
  }
});

const hello = () => streamOf(helloStream);
const shutDown = () =>
  Response.json(
    { error: { message: "cannot schedule new futures after shutdown", code: 500 } },
    { status: 500 },
  );
const boom = () => Response.json({ error: { message: "boom", code: 500 } }, { status: 500 });

async function setUp(
  answers: readonly FakeEngine["answer"][],
  config: Parameters<typeof startTestProxy>[1] = {},
) {
  const engines = answers.map((answer) => {
    const engine = startFakeEngine();
    engine.answer = answer;
    opened.push(engine);
    return engine;
  });
  const proxy = await startTestProxy(engines, config);
  opened.push(proxy);
  let turn = 0;
  const ask = async () => {
    turn += 1;
    const messages = [{ role: "user", content: `hi ${turn}` }];
    const body = { model: "tiny", messages, stream: true };
    const response = await proxy.post("/v1/chat/completions", body);
    const text = await response.text();
    return { status: response.status, replica: response.headers.get("x-warmpath-replica"), text };
  };
  return { engines, proxy, ask };
}

/** Requests of callers; canaries ask for a completion. */
const chats = (engine: FakeEngine | undefined) =>
  engine?.seen.filter(({ path }) => path === "/v1/chat/completions").length ?? 0;

describe("a replica whose health page says 200 while it serves badly", () => {
  test("is left alone after its first word that it is going away, and back once a canary came through", async () => {
    const { engines, ask } = await setUp([shutDown, hello], { breakerCooldownMs: 60 });
    const [leaving, stays] = engines;
    for (let round = 0; round < 40; round += 1) {
      expect((await ask()).status).toBe(200);
    }
    // One to learn it; those that come while it is out go elsewhere at once.
    expect(chats(leaving)).toBe(1);
    expect(chats(stays)).toBe(40);
    if (leaving !== undefined) {
      leaving.answer = hello;
    }
    const sinceMs = performance.now();
    while ((await ask()).replica !== leaving?.name) {
      expect(performance.now() - sinceMs).toBeLessThan(5000);
      await Bun.sleep(10);
    }
  });

  test("is taken out when half of its requests fail, which ListReplicas tells", async () => {
    const { engines, proxy, ask } = await setUp([boom, hello], {
      breakerCooldownMs: 60_000,
      breakerCooldownMsMax: 60_000,
    });
    for (let round = 0; round < 60; round += 1) {
      expect((await ask()).status).toBe(200);
    }
    expect(chats(engines[0])).toBe(5);
    expect(await proxy.metrics.text()).toMatch(/breaker_state\{[^}]*model="tiny"[^}]*\} 2/);
  });

  test("when it is the only one, requests wait for its recovery instead of failing", async () => {
    const { engines, ask } = await setUp([shutDown], { breakerCooldownMs: 100 });
    const [only] = engines;
    expect((await ask()).status).toBe(503);
    if (only !== undefined) {
      only.answer = hello;
    }
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask()));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
  });

  test("when it does not recover, they are told so when the stated wait is over", async () => {
    const { ask } = await setUp([shutDown], { breakerCooldownMs: 50, heldBackWaitMsMax: 300 });
    await ask();
    const { status, text } = await ask();
    expect(status).toBe(503);
    expect(text).toContain("overloaded");
  });
});

test("retries stop when the budget is spent: each request then fails on its own account", async () => {
  const { engines, proxy, ask } = await setUp([boom, boom, boom], {
    breakerRequestsMin: 1000,
    retryReserve: 3,
    retryPercent: 0,
  });
  for (let round = 0; round < 10; round += 1) {
    expect((await ask()).status).toBe(502);
  }
  // At most a second's worth more than the reserve, which fills by one in every second.
  const tries = engines.reduce((sum, engine) => sum + chats(engine), 0);
  expect(tries).toBeGreaterThanOrEqual(13);
  expect(tries).toBeLessThanOrEqual(14);
  expect(await proxy.metrics.text()).toContain("retries_refused_total");
});
