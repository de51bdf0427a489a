import { afterEach, describe, expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import { type Bus, createMemoryBus, createNatsBus, proxyPeersSubject } from "@warmpath/runtime";
import type { InferenceProxyConfig } from "../config.ts";
import {
  type FakeEngine,
  startFakeEngine,
  startTestProxy,
  type TestProxy,
} from "../testing/index.ts";

/*
 * Goal: several proxies before the same engines place as one, and none needs the others. Method:
 * two whole proxies on one bus; in memory, and over NATS behind a forwarder that can be cut.
 */

const natsUrl = process.env["WARMPATH_TEST_NATS_URL"];
const settings = { promptSecret: "shared", peerBeatMs: 20, peerSilentMs: 400 };
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) {
    await close();
  }
});

function engineOf(): FakeEngine {
  const engine = startFakeEngine();
  engine.answer = () =>
    Response.json({
      choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "ok" } }],
      usage: { prompt_tokens: 500, completion_tokens: 1 },
    });
  closers.push(() => engine.stop());
  return engine;
}

async function proxyOn(
  peerBus: Bus | undefined,
  engines: readonly FakeEngine[],
  given: Partial<InferenceProxyConfig> = {},
): Promise<TestProxy> {
  const proxy = await startTestProxy(
    engines,
    { ...settings, ...given },
    peerBus === undefined ? {} : { peerBus },
  );
  closers.push(() => proxy.close());
  return proxy;
}

async function countOf({ metrics }: TestProxy, name: string, labels = ""): Promise<number> {
  const line = new RegExp(`^warmpath_inference_proxy_${name}\\{${labels}[^}]*\\} (\\S+)$`, "m");
  return Number(line.exec(await metrics.text())?.[1] ?? 0);
}

/** Requests of other proxies, as this one has heard. */
async function busyElsewhere({ metrics }: TestProxy): Promise<number> {
  const lines = (await metrics.text()).matchAll(/^\S+in_flight_elsewhere\{[^}]*\} (\d+)$/gm);
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Waits for news that is on its way; gives up after two seconds. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 2000;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) {
      throw new Error("it did not come");
    }
    await Bun.sleep(10);
  }
}

async function heardEachOther(...proxies: readonly TestProxy[]): Promise<void> {
  await until(async () => {
    const counts = await Promise.all(proxies.map((proxy) => countOf(proxy, "peers")));
    return counts.every((count) => count === proxies.length - 1);
  });
}

/** All that came on the bus, which then was told to whoever listened there before. */
async function listenOn(bus: Bus): Promise<() => string> {
  let all = "";
  const subscription = await bus.subscribe(proxyPeersSubject(), (payload) => {
    all += new TextDecoder().decode(payload);
  });
  closers.push(() => subscription.close());
  return () => all;
}

const words = (name: string) => Array.from({ length: 800 }, () => name).join(" ");

function turnOf(session: string, turns = 1): unknown {
  const messages = [{ role: "user", content: words(session) }];
  for (let turn = 1; turn < turns; turn += 1) {
    messages.push({ role: "assistant", content: "ok" }, { role: "user", content: `go on ${turn}` });
  }
  return { model: "tiny", messages };
}

/** Sends a turn; the index of the engine that saw it. */
async function engineFor(
  { post }: TestProxy,
  engines: readonly FakeEngine[],
  session: string,
  turns = 1,
  topic = session,
): Promise<number> {
  const before = engines.map(({ seen }) => seen.length);
  const headers: Record<string, string> = session === "" ? {} : { "x-session-id": session };
  const response = await post("/v1/chat/completions", turnOf(topic, turns), { headers });
  expect([response.status, await response.text()]).toMatchObject([200, expect.any(String)]);
  return engines.findIndex(({ seen }, index) => seen.length > (before[index] ?? 0));
}

/** A way to NATS that can be cut, as if the server were gone. */
async function cuttableNats(target: string): Promise<{ readonly url: string; cut(): void }> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on("data", (bytes) => other.write(bytes));
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
    }
  });
  const listening = Promise.withResolvers<void>();
  server.listen({ host: "127.0.0.1", port: 0 }, listening.resolve);
  await listening.promise;
  const address = server.address();
  const cut = () => {
    server.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  };
  closers.push(cut);
  return { url: `nats://127.0.0.1:${typeof address === "object" ? address?.port : 0}`, cut };
}

async function natsBus(url: string): Promise<Bus> {
  const bus = createNatsBus({ url });
  closers.push(() => bus.close());
  await until(() =>
    bus.ready().then(
      () => true,
      () => false,
    ),
  );
  return bus;
}

function sharing(name: string, openBuses: () => Promise<readonly [Bus, Bus]>, skip?: string): void {
  const title = `two proxies over ${name}${skip === undefined ? "" : ` (skipped: ${skip})`}`;
  describe.skipIf(skip !== undefined)(title, () => {
    test("a session that began at one goes on at the other, on the same replica", async () => {
      const [one, other] = await openBuses();
      const engines = [engineOf(), engineOf(), engineOf(), engineOf()];
      const first = await proxyOn(one, engines);
      const second = await proxyOn(other, engines);
      await heardEachOther(first, second);
      const heard = await listenOn(other);
      // Both draw lots from one seed: now they are not at the same place of it.
      await engineFor(second, engines, "stranger");
      for (let index = 0; index < 8; index += 1) {
        const home = await engineFor(first, engines, `s${index}`);
        await until(async () => heard().includes(`/=s${index}"`));
        // A home that is still said to be busy may be left for that.
        await until(async () => (await busyElsewhere(second)) === 0);
        expect(await engineFor(second, engines, `s${index}`, 2)).toBe(home);
      }
    });

    test("a session that nobody names is known by its prompt at the other, and waits no longer", async () => {
      const [one, other] = await openBuses();
      const engines = [engineOf(), engineOf(), engineOf(), engineOf()];
      const first = await proxyOn(one, engines);
      const second = await proxyOn(other, engines);
      await heardEachOther(first, second);
      const heard = await listenOn(other);
      for (let index = 0; index < 4; index += 1) {
        const home = await engineFor(first, engines, "", 1, `unnamed ${index}`);
        const names = () => new Set(heard().match(/acme\/~[a-z0-9]+/g));
        await until(async () => names().size === index + 1);
        await until(async () => (await busyElsewhere(second)) === 0);
        expect(await engineFor(second, engines, "", 2, `unnamed ${index}`)).toBe(home);
        const continued = await countOf(second, "prompts_total", 'session="continuation"');
        expect(continued).toBe(index + 1);
      }
    });

    test("the load of one is seen by the other, and forgotten when it says goodbye", async () => {
      const [one, other] = await openBuses();
      const busy = engineOf();
      const idle = engineOf();
      const held = Promise.withResolvers<void>();
      const { answer } = busy;
      busy.answer = async (request) => {
        await held.promise;
        return await answer(request);
      };
      const first = await proxyOn(one, [busy]);
      const second = await proxyOn(other, [idle, busy]);
      await heardEachOther(first, second);
      const running = Array.from({ length: 4 }, (_, index) =>
        engineFor(first, [busy], `held${index}`),
      );
      const elsewhere = () =>
        countOf(second, "replica_in_flight_elsewhere", `replica="${busy.name}"`);
      await until(async () => (await elsewhere()) === 4);
      for (let index = 0; index < 4; index += 1) {
        expect(await engineFor(second, [idle, busy], `new${index}`)).toBe(0);
      }
      held.resolve();
      await Promise.all(running);
      await until(async () => (await elsewhere()) === 0);
      await first.close();
      await until(async () => (await countOf(second, "peers")) === 0);
    });

    test("whatever else is on the bus does no harm", async () => {
      const [one, other] = await openBuses();
      const engines = [engineOf(), engineOf()];
      const proxy = await proxyOn(one, engines);
      const texts = ["", "{}", '{"v":1}', "\u0000", '[{"v":1,"from":"x"}]'];
      // Again and again, since it may not listen yet.
      await until(async () => {
        for (const text of texts) {
          other.publish(proxyPeersSubject(), new TextEncoder().encode(text));
        }
        return (await countOf(proxy, "peer_beats_total", 'result="malformed"')) >= texts.length;
      });
      expect(await engineFor(proxy, engines, "s")).toBeGreaterThanOrEqual(0);
    });
  });
}

sharing("a bus in memory", async () => {
  const bus = createMemoryBus();
  closers.push(() => bus.close());
  return [bus, bus];
});
sharing(
  "NATS",
  async () => [await natsBus(natsUrl ?? ""), await natsBus(natsUrl ?? "")],
  natsUrl === undefined ? "WARMPATH_TEST_NATS_URL is not set" : undefined,
);

describe("sharing", () => {
  test.skipIf(natsUrl === undefined)("goes on without NATS: each by what it knows", async () => {
    const way = await cuttableNats(natsUrl ?? "");
    const engines = [engineOf(), engineOf()];
    const first = await proxyOn(await natsBus(way.url), engines);
    const second = await proxyOn(await natsBus(way.url), engines);
    await heardEachOther(first, second);
    const home = await engineFor(first, engines, "s");
    way.cut();
    await until(async () => (await countOf(first, "peers")) === 0);
    await until(async () => (await busyElsewhere(second)) === 0);
    expect(await engineFor(first, engines, "s", 2)).toBe(home);
    expect(await engineFor(second, engines, "t")).toBeGreaterThanOrEqual(0);
  });

  test("is off with a beat of 0 and without a bus", async () => {
    const bus = createMemoryBus();
    closers.push(() => bus.close());
    let heard = 0;
    await bus.subscribe(proxyPeersSubject(), () => {
      heard += 1;
    });
    const engines = [engineOf()];
    for (const proxy of [
      await proxyOn(bus, engines, { peerBeatMs: 0 }),
      await proxyOn(undefined, engines),
    ]) {
      await engineFor(proxy, engines, "s");
      expect(await countOf(proxy, "peer_beats_total")).toBe(0);
    }
    expect(heard).toBe(0);
  });
});
