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
 * Goal: a request that kills each engine it reaches gets two of them and no more, and none of those
 * that died beside it is lost. Method: engines whose process ends when they read the word.
 */

const opened: (FakeEngine | TestProxy)[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await ("stop" in each ? each.stop() : each.close());
  }
});

const poisonous = "poison";

async function setUp(count: number, config: Parameters<typeof startTestProxy>[1] = {}) {
  const engines = Array.from({ length: count }, () => {
    const engine = startFakeEngine();
    engine.answer = async ({ body }) => {
      if (body.includes(poisonous)) {
        // After the others that came at the same time have reached it too.
        await Bun.sleep(40);
        await engine.stop();
      }
      await Bun.sleep(80);
      return streamOf(helloStream);
    };
    opened.push(engine);
    return engine;
  });
  const proxy = await startTestProxy(engines, config);
  opened.push(proxy);
  const ask = async (content: string) => {
    const messages = [{ role: "user", content }];
    const response = await proxy.post("/v1/chat/completions", {
      model: "tiny",
      messages,
      stream: true,
    });
    return { status: response.status, text: await response.text() };
  };
  return { engines, proxy, ask };
}

async function isAlive({ url }: FakeEngine): Promise<boolean> {
  return await fetch(`${url}/health`, { keepalive: false }).then(
    () => true,
    () => false,
  );
}

const poisonsSeen = (engines: readonly FakeEngine[]) =>
  engines.flatMap(({ seen }) => seen).filter(({ body }) => body.includes(poisonous)).length;

describe("a request that kills each engine it reaches", () => {
  test("is refused after the second, and those that died beside it are answered elsewhere", async () => {
    const { engines, ask } = await setUp(3);
    const asked = [
      ask(`${poisonous} 1`),
      ...Array.from({ length: 11 }, (_, index) => ask(`hello ${index}`)),
    ];
    const [poison, ...innocents] = await Promise.all(asked);
    expect(innocents.map(({ status }) => status)).toEqual(innocents.map(() => 200));
    expect(innocents.every(({ text }) => text.includes("[DONE]"))).toBe(true);
    expect([poison?.status, JSON.parse(poison?.text ?? "").error.code]).toEqual([
      400,
      "rejected-poison",
    ]);
    const alive = await Promise.all(engines.map(isAlive));
    expect(alive.filter(Boolean).length).toBe(1);
  });

  test("is refused at once when it comes again, and another request is not", async () => {
    const { engines, proxy, ask } = await setUp(3);
    expect((await ask(`${poisonous} 1`)).status).toBe(400);
    const before = poisonsSeen(engines);
    expect((await ask(`${poisonous} 1`)).status).toBe(400);
    expect(poisonsSeen(engines)).toBe(before);
    expect((await ask("hello")).status).toBe(200);
    const metrics = await proxy.metrics.text();
    expect(/poison_refused_total\{[^}]*reason="known"[^}]*\} 1/.test(metrics)).toBe(true);
  });
});

test("where there is one engine, a caller who tries again ends it once more and never again", async () => {
  const { engines, proxy, ask } = await setUp(1);
  const [first] = engines;
  expect((await ask(`${poisonous} 1`)).status).toBe(503);
  const revive = async () => {
    const engine = startFakeEngine({ port: Number(first?.name.split(":")[1]) });
    engine.answer = first?.answer ?? engine.answer;
    opened.push(engine);
    while ((await ask("hello")).status !== 200) {
      await Bun.sleep(10);
    }
    return engine;
  };
  const second = await revive();
  // What ends the first engine would not end its successor.
  second.answer = async ({ body }) => {
    if (body.includes(poisonous)) {
      await second.stop();
    }
    return streamOf(helloStream);
  };
  expect((await ask(`${poisonous} 1`)).status).toBe(400);
  expect(await isAlive(second)).toBe(false);
  const third = await revive();
  third.answer = () => streamOf(helloStream);
  expect((await ask(`${poisonous} 1`)).status).toBe(400);
  expect(poisonsSeen([third])).toBe(0);
  expect(await isAlive(third)).toBe(true);
  expect(await proxy.metrics.text()).toContain("poison_refused_total");
});

test("requests that lose two connections to living replicas are refused and not remembered", async () => {
  const { engines, ask } = await setUp(2);
  for (const engine of engines) {
    engine.answer = () => streamOf([], { breaksAtEnd: true });
  }
  expect((await ask("hello")).status).toBe(502);
  for (const engine of engines) {
    engine.answer = () => streamOf(helloStream);
  }
  expect((await ask("hello")).status).toBe(200);
});

test("with more suspects than turns in the stated wait, the rest go on together", async () => {
  const { engines, ask } = await setUp(2, { suspectWaitMsMax: 60 });
  const [first] = engines;
  const asked = Array.from({ length: 16 }, (_, index) => ask(`hello ${index}`));
  while ((first?.seen.length ?? 0) < 8) {
    await Bun.sleep(5);
  }
  await first?.stop();
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses).toEqual(statuses.map(() => 200));
});
