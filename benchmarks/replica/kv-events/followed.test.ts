/**
 * Goal: the proxy knows what simulated engines have cached, over real sockets and whatever happens
 * to them. Oracle: the cached tokens that the engine reports with each answer.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeKvMessage } from "@warmpath/inference-proxy/kv-events";
import { startTestProxy, type TestProxy } from "@warmpath/inference-proxy/testing";
import { seededRandom } from "@warmpath/runtime/base";
import { testPrincipal } from "@warmpath/runtime/testing";
import { createSubscriber } from "@warmpath/runtime/zmtp";
import { freePort } from "../../system/free-port.ts";
import type { ReplicaConfig } from "../config.ts";
import { createReplica, type Replica } from "../replica.ts";

const folder = mkdtempSync(join(tmpdir(), "warmpath-followed-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const opened: { close(graceMs?: number): Promise<void> }[] = [];
let sockets = 0;

afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.close(0);
});

const small = { profile: "tiny", speed: 0, blockSize: 16, kvBlocks: 200 } as const;

describe("what a proxy believes of its engines' caches", () => {
  test("is what they report, under eviction, second copies and salts", async () => {
    const { proxy, replicas } = await start(2, { kvBlocks: 120 });
    const results = await converse(proxy, 60);
    expect(results.filter(({ cached }) => cached > 0).length).toBeGreaterThan(10);
    expect(await predictions(proxy)).toEqual({ equal: results.length, over: 0, under: 0 });
    expect(replicas.length).toBe(2);
  });

  test("comes from a replay for a proxy that starts late", async () => {
    const { replicas } = await start(1, {}, 0);
    const [replica] = replicas;
    const prompt = drawTokens(7, 100);
    await complete(replica!.url, prompt);
    const proxy = await proxyFor(replicas);
    await trusted(proxy, 1);
    const { cached } = await complete(proxy.url, prompt, "wp-test-key");
    // Another tenant's salt: nothing of it is ours.
    expect(cached).toBe(0);
    expect((await complete(proxy.url, prompt, "wp-test-key")).cached).toBe(96);
    expect(await predictions(proxy)).toEqual({ equal: 2, over: 0, under: 0 });
  });

  test("survives lost batches: a replay fills the gap", async () => {
    const { proxy, replicas } = await start(1, {});
    await converse(proxy, 5);
    replicas[0]!.faults.set({ lostEvents: 1 });
    const prompt = drawTokens(8, 200);
    await complete(proxy.url, prompt, "wp-test-key");
    replicas[0]!.faults.set({ lostEvents: 0 });
    await complete(proxy.url, drawTokens(9, 40), "wp-test-key");
    await trusted(proxy, 1);
    const before = await predictions(proxy);
    expect((await complete(proxy.url, prompt, "wp-test-key")).cached).toBe(192);
    expect(await predictions(proxy)).toEqual({ ...before, equal: before.equal + 1 });
    expect(await metric(proxy, "kv_event_replays_total")).toBeGreaterThan(1);
  });

  test("survives a flood with a tenth of all batches lost and replays cut short", async () => {
    const { proxy, replicas } = await start(1, { kvEventsReplayMax: 25 });
    replicas[0]!.faults.set({ lostEvents: 0.1 });
    await converse(proxy, 150);
    replicas[0]!.faults.set({ lostEvents: 0 });
    await complete(proxy.url, drawTokens(9, 40), "wp-test-key");
    await trusted(proxy, 1);
    const before = await predictions(proxy);
    const results = await converse(proxy, 20);
    const after = await predictions(proxy);
    expect(after).toEqual({ ...before, equal: before.equal + results.length });
  });

  test("ends with an engine that dies, and begins anew with the next", async () => {
    const { proxy, replicas } = await start(1, {});
    const prompt = drawTokens(3, 100);
    await complete(proxy.url, prompt, "wp-test-key");
    expect((await listed(proxy))[0]).toMatchObject({ cacheKnowledge: "events", cachedBlocks: 6n });
    await replicas[0]!.restart("kill", 50);
    await trusted(proxy, 0);
    await trusted(proxy, 1);
    expect((await listed(proxy))[0]).toMatchObject({ cacheDoubts: [], cachedBlocks: 0n });
    expect((await complete(proxy.url, prompt, "wp-test-key")).cached).toBe(0);
    expect(await predictions(proxy)).toEqual({ equal: 2, over: 0, under: 0 });
  });

  // An engine that finds nobody tries again after up to 5 s.
  test("is told by an engine that connects: then the proxy has bound", async () => {
    const port = await freePort();
    const { proxy } = await start(1, { kvEventsEndpoint: `tcp://127.0.0.1:${port}` });
    const prompt = drawTokens(5, 100);
    await complete(proxy.url, prompt, "wp-test-key");
    await complete(proxy.url, prompt, "wp-test-key");
    expect(await predictions(proxy)).toEqual({ equal: 2, over: 0, under: 0 });
  }, 20_000);

  test("is not believed while requests finish and no event comes, and is again after", async () => {
    const { proxy, replicas } = await start(1, {}, undefined, { kvEventsStallMs: 100 });
    replicas[0]!.faults.set({ lostEvents: 1 });
    await complete(proxy.url, drawTokens(1, 200), "wp-test-key");
    await trusted(proxy, 0);
    expect((await listed(proxy))[0]).toMatchObject({
      cacheKnowledge: "history",
      cacheDoubts: ["stalled"],
    });
    replicas[0]!.faults.set({ lostEvents: 0 });
    await complete(proxy.url, drawTokens(2, 100), "wp-test-key");
    await trusted(proxy, 1);
  });

  test("knows a text's blocks by the session id that it was sent under", async () => {
    const endpoint = ipc();
    const labels: (string | undefined)[] = [];
    const { proxy } = await start(1, { kvEventsEndpoint: endpoint });
    const subscriber = await createSubscriber({
      endpoint,
      mode: "connect",
      topics: [""],
      onMessage(frames) {
        for (const event of decodeKvMessage(frames).batch.events) {
          if (event.type === "stored") labels.push(event.sessionId);
        }
      },
    });
    opened.push(subscriber);
    const ids: string[] = [];
    while (labels.length === 0) {
      const messages = [{ role: "user", content: `${ids.length} ${"and so on ".repeat(200)}` }];
      const response = await proxy.post("/v1/chat/completions", { messages, max_tokens: 2 });
      await response.text();
      ids.push(response.headers.get("x-request-id") ?? "");
    }
    expect(ids).toContain(String(labels[0]));
  });

  test("is history where an engine publishes nothing, or nobody may ask", async () => {
    const silent = await createReplica({ config: small });
    opened.push(silent);
    const proxy = await proxyFor([silent]);
    expect((await listed(proxy))[0]).toMatchObject({ cacheKnowledge: "history", cacheDoubts: [] });
    const { proxy: unasked } = await start(1, {}, undefined, { kvEventsDiscovered: false }, false);
    expect((await listed(unasked))[0]?.cachedBlocks).toBeUndefined();
  });

  test("comes from configured sources where an engine lists none", async () => {
    const endpoint = ipc();
    const replay = ipc();
    const { proxy } = await start(
      1,
      { kvEventsEndpoint: endpoint, kvEventsReplayEndpoint: replay },
      undefined,
      (replicas) => ({
        kvEventsDiscovered: false,
        kvEvents: [`127.0.0.1:${replicas[0]!.port}=${endpoint}`, `replay=${replay}`],
      }),
    );
    await complete(proxy.url, drawTokens(5, 100), "wp-test-key");
    expect(await predictions(proxy)).toEqual({ equal: 1, over: 0, under: 0 });
  });
});

type ProxyConfig = NonNullable<Parameters<typeof startTestProxy>[1]>;

/** Engines and a proxy that already trusts their events (`proxies` 0: engines alone). */
async function start(
  count: number,
  config: Partial<ReplicaConfig>,
  proxies = 1,
  given: ProxyConfig | ((replicas: readonly Replica[]) => ProxyConfig) = {},
  isAwaited = true,
) {
  const replicas: Replica[] = [];
  for (let index = 0; index < count; index++) {
    const events = { kvEventsEndpoint: ipc(), kvEventsReplayEndpoint: ipc() };
    const replica = await createReplica({
      config: { ...small, ...events, seed: index, ...config },
    });
    opened.push(replica);
    replicas.push(replica);
  }
  // Nobody uses it where no proxy is asked for.
  let proxy = undefined as unknown as TestProxy;
  if (proxies > 0) {
    proxy = await proxyFor(replicas, typeof given === "function" ? given(replicas) : given);
    if (isAwaited) await trusted(proxy, count);
  }
  return { proxy, replicas };
}

async function proxyFor(replicas: readonly Replica[], given: ProxyConfig = {}): Promise<TestProxy> {
  const proxy = await startTestProxy(replicas, given);
  opened.push({ close: () => proxy.close() });
  return proxy;
}

/** Turns of some conversations, each continuing its own tokens or another's. */
async function converse(proxy: TestProxy, turns: number) {
  const random = seededRandom(turns);
  const sessions = Array.from({ length: 6 }, (_, index) => drawTokens(index, 40));
  const results: { cached: number }[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const at = Math.floor(random.next() * sessions.length);
    const session = sessions[at]!;
    const extra = drawTokens(turn + 1000, Math.floor(random.next() * 40));
    const prompt = session.length > 600 ? drawTokens(turn, 48) : [...session, ...extra];
    sessions[at] = prompt;
    results.push(await complete(proxy.url, prompt, "wp-test-key"));
  }
  return results;
}

async function complete(url: string, prompt: readonly number[], key = "none") {
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
    body: JSON.stringify({ prompt, max_tokens: 3, ignore_eos: true }),
  });
  const body = (await response.json()) as {
    readonly usage?: { readonly prompt_tokens_details?: { readonly cached_tokens?: number } };
  };
  expect(response.status).toBe(200);
  return { cached: body.usage?.prompt_tokens_details?.cached_tokens ?? -1 };
}

async function listed(proxy: TestProxy) {
  return (await proxy.inference.listReplicas({}, { principal: testPrincipal() })).replicas;
}

/** Waits until so many replicas' events are believed. */
async function trusted(proxy: TestProxy, wanted: number): Promise<void> {
  for (;;) {
    const replicas = await listed(proxy);
    const count = replicas.filter(({ cacheKnowledge }) => cacheKnowledge === "events").length;
    if (count === wanted && replicas.every(({ healthy }) => healthy || wanted === 0)) return;
    await Bun.sleep(5);
  }
}

async function predictions(proxy: TestProxy) {
  const read = (result: string) => metric(proxy, "cache_predictions_total", `result="${result}"`);
  return { equal: await read("equal"), over: await read("over"), under: await read("under") };
}

/** Sum of a metric's samples with this label. */
async function metric(proxy: TestProxy, name: string, label = ""): Promise<number> {
  const page = await proxy.metrics.text();
  return page
    .split("\n")
    .filter((line) => line.startsWith(`warmpath_inference_proxy_${name}{`) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

function drawTokens(seed: number, count: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => 1 + Math.floor(random.next() * 5000));
}

function ipc(): string {
  return `ipc://${join(folder, `${sockets++}.sock`)}`;
}
