import { afterEach, describe, expect, test } from "bun:test";
import { createSubscriber } from "@warmpath/runtime/zmtp";
import type { ReplicaConfig } from "../config.ts";
import { exchange, type RawAnswer } from "../recorded/exchange.ts";
import { eventsOf } from "../recording.ts";
import { createReplica, type Replica } from "../replica.ts";

const open: Replica[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((replica) => replica.close()));
});

describe("the control endpoint", () => {
  test("is refused unless faults are allowed", async () => {
    const replica = await start({ allowFaults: false });
    expect((await control(replica, "faults", { hang: true })).status).toBe(403);
    expect((await ask(replica)).status).toBe(200);
  });

  test("refuses what it does not know, in words that name it", async () => {
    const replica = await start();
    const unknown = await control(replica, "faults", { explode: true });
    expect([unknown.status, unknown.body]).toEqual([400, expect.stringContaining("explode")]);
    const wrong = await control(replica, "faults", { stall: { afterTokens: "many" } });
    expect([wrong.status, wrong.body]).toEqual([400, expect.stringContaining("stall.afterTokens")]);
  });

  test("shows settings that can be set again as they are", async () => {
    const replica = await start();
    const faults = {
      errors: { 503: 0.1 },
      stall: {},
      die: { afterTokens: 900 },
      streamError: { rate: 0 },
      hang: false,
      slowdown: 2,
      lostEvents: 0.5,
    };
    await control(replica, "faults", faults);
    const settings = await shown(replica);
    expect(settings).toMatchObject({
      stall: { rate: 1, afterTokens: 4, ms: 10_000 },
      streamError: { rate: 0, afterTokens: 4, status: 500 },
    });
    expect(settings).toHaveProperty("die", { rate: 1, afterTokens: 900 });
    expect((await control(replica, "faults", settings)).status).toBe(200);
    expect(await shown(replica)).toEqual(settings);
  });

  test("shows what is wrong, and heals it at once or by itself", async () => {
    const replica = await start();
    await control(replica, "faults", { errors: { 503: 1 }, slowdown: 2 });
    await control(replica, "faults", { slowdown: 3, forMs: 20 });
    expect(await shown(replica)).toEqual({ errors: { 503: 1 }, slowdown: 3 });
    await until(async () => !("slowdown" in (await shown(replica))));
    expect(await shown(replica)).toEqual({ errors: { 503: 1 } });
    await exchange(replica.url, { method: "DELETE", path: "/_sim/faults" });
    expect(await shown(replica)).toEqual({});
  });
});

describe("requests are refused", () => {
  test("in the asked shares by status, in vLLM's form", async () => {
    const replica = await start({ faults: '{"errors": {"429": 0.3, "503": 0.3}}' });
    const statuses = new Map<number, number>();
    for (let index = 0; index < 200; index++) {
      const { status, body } = await ask(replica, { max_tokens: 1 });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      if (status !== 200) expect(JSON.parse(body)).toMatchObject({ error: { code: status } });
    }
    expect(new Set(statuses.keys())).toEqual(new Set([200, 429, 503]));
    expect(statuses.get(429)).toBeGreaterThan(30);
    expect(statuses.get(503)).toBeGreaterThan(30);
  });

  test("while the replica is watched as ever", async () => {
    const replica = await start({ faults: '{"errors": {"500": 1}}' });
    expect((await ask(replica)).status).toBe(500);
    const health = await exchange(replica.url, { method: "GET", path: "/health" });
    expect(health.status).toBe(200);
  });
});

describe("an answer", () => {
  test("stalls after so many tokens, and goes on", async () => {
    const replica = await start({ faults: '{"stall": {"afterTokens": 2, "ms": 60}}' });
    const startedMs = performance.now();
    const answer = await ask(replica, { stream: true, max_tokens: 5 });
    expect(performance.now() - startedMs).toBeGreaterThan(50);
    expect(contentsOf(answer)).toHaveLength(5);
    expect(answer.isWhole).toBe(true);
  });

  test("dies after so many tokens: the connection is cut without the end of the body", async () => {
    const replica = await start({ faults: '{"die": {"afterTokens": 3}}' });
    const answer = await ask(replica, { stream: true, max_tokens: 5 });
    expect(answer.status).toBe(200);
    expect(contentsOf(answer)).toHaveLength(3);
    expect(answer.isWhole).toBe(false);
    await until(() => Promise.resolve(replica.load() === 0));
    const whole = await ask(replica, { max_tokens: 5 });
    expect([whole.status, whole.isWhole]).toEqual([0, false]);
  });

  test("tells an error inside a 200 stream, before its first token or later", async () => {
    const replica = await start({ faults: '{"streamError": {"afterTokens": 0, "status": 503}}' });
    const first = await ask(replica, { stream: true });
    expect(first.status).toBe(200);
    const values = eventsOf(first.body.trim())?.map(({ value }) => value);
    expect(values).toEqual([{ error: expect.objectContaining({ code: 503 }) }, "[DONE]"]);
    await control(replica, "faults", { streamError: { afterTokens: 2 } });
    const later = await ask(replica, { stream: true });
    expect(contentsOf(later)).toHaveLength(2);
    expect(eventsOf(later.body.trim())?.at(-2)?.value).toMatchObject({ error: { code: 500 } });
    expect((await ask(replica)).status).toBe(500);
  });
});

test("a hanging replica accepts and answers nothing, not even what has begun, until it is healed", async () => {
  const replica = await start({ profile: "tiny", speed: 0.5 });
  const streaming = await openStream(replica);
  await control(replica, "faults", { hang: true });
  const before = streaming.text();
  const waiting = exchange(replica.url, { method: "GET", path: "/health" });
  const won = await Promise.race([waiting.then(() => "answered"), Bun.sleep(60)]);
  expect(won).toBeUndefined();
  expect(streaming.text()).toBe(before);
  await control(replica, "faults", { hang: false });
  expect((await waiting).status).toBe(200);
  await until(() => Promise.resolve(streaming.text().length > before.length));
  streaming.leave();
});

test("a factor slows every step down", async () => {
  const replica = await start({ profile: "tiny", speed: 1 });
  await control(replica, "faults", { slowdown: 10 });
  const startedMs = performance.now();
  await ask(replica, { max_tokens: 4, ignore_eos: true });
  // Four steps of 3.5 ms, ten times as long; jitter is a few per cent.
  expect(performance.now() - startedMs).toBeGreaterThan(100);
});

test("a replica that starts slowly refuses connections until it is there", async () => {
  const replica = await start({ startDelayMs: 300 });
  expect(await health(replica)).toBe("refused");
  await until(async () => (await health(replica)) === 200);
});

describe("a restart", () => {
  test("cuts what is in flight, closes the port for a while, and comes back with nothing cached", async () => {
    const replica = await start();
    const prompt = Array.from({ length: 100 }, (_, index) => index);
    const cached = async () => {
      const body = JSON.stringify({ prompt, max_tokens: 1 });
      const answer = await post(replica, "/v1/completions", body);
      const { usage } = JSON.parse(answer.body) as {
        usage: { prompt_tokens_details: { cached_tokens: number } };
      };
      return usage.prompt_tokens_details.cached_tokens;
    };
    expect([await cached(), await cached()]).toEqual([0, 96]);
    await control(replica, "faults", { stall: { afterTokens: 1, ms: 60_000 } });
    const streaming = await openStream(replica);
    expect((await control(replica, "restart", { kind: "kill", downMs: 300 })).status).toBe(202);
    await streaming.closed;
    expect(streaming.text()).not.toContain("[DONE]");
    expect(await health(replica)).toBe("refused");
    await until(async () => (await health(replica)) === 200);
    await exchange(replica.url, { method: "DELETE", path: "/_sim/faults" });
    expect([await cached(), await cached()]).toEqual([0, 96]);
    const metrics = await exchange(replica.url, { method: "GET", path: "/metrics" });
    expect(metrics.body).toMatch(/vllm:prompt_tokens_total\{[^}]*\} 200\.0/);
  });

  test("by the engine's death tells those in flight before the port closes", async () => {
    const replica = await start({ profile: "tiny", speed: 0.5 });
    const streaming = await openStream(replica);
    const whole = ask(replica, { max_tokens: 5000, ignore_eos: true });
    await until(() => Promise.resolve(replica.load() === 2));
    await control(replica, "restart", { kind: "engine-death", downMs: 300 });
    // For a tenth of a second it says so itself, unless this machine takes longer to ask.
    expect([503, "refused"]).toContain(await health(replica));
    expect(await whole).toMatchObject({ status: 500, body: expect.stringContaining("EngineCore") });
    await streaming.closed;
    expect(streaming.text()).toMatch(
      /EngineCore[^\n]*\n\n[^\n]*\n*data: \[DONE\]|EngineCore[\s\S]*\[DONE\]/,
    );
    await until(async () => (await health(replica)) === 200);
  });

  test("that is asked for twice happens once", async () => {
    const replica = await start();
    const first = replica.restart("engine-death", 50);
    // Were it to happen too, the port would be closed for longer than a test may take.
    await replica.restart("kill", 3_600_000);
    await first;
    expect(await health(replica)).toBe(200);
  });

  test("by SIGTERM as vLLM takes it leaves those in flight without a word", async () => {
    const replica = await start({ profile: "tiny", speed: 0.5 });
    const streaming = await openStream(replica);
    await control(replica, "restart", { kind: "sigterm", downMs: 300 });
    await until(async () => (await health(replica)) === "refused");
    const before = streaming.text();
    await Bun.sleep(30);
    expect(streaming.text()).toBe(before);
    await until(async () => (await health(replica)) === 200);
  });
});

test("lost KV events leave a gap in the numbers, and are told again on replay", async () => {
  const replica = await start({ kvEventsEndpoint: "tcp://127.0.0.1:*" });
  const sources = await exchange(replica.url, { method: "GET", path: "/kv_event_sources" });
  const { endpoint } = (JSON.parse(sources.body) as { "0": { endpoint: string } })["0"];
  const numbers: number[] = [];
  const connected = Promise.withResolvers<void>();
  const subscriber = await createSubscriber({
    endpoint,
    mode: "connect",
    topics: [""],
    onMessage: ([, number]) => {
      numbers.push(Number(Buffer.from(number ?? []).readBigUInt64BE()));
    },
    onPublishers: () => connected.resolve(),
  });
  await connected.promise;
  const store = (first: number) => {
    const prompt = Array.from({ length: 16 }, () => first);
    return post(replica, "/v1/completions", JSON.stringify({ prompt, max_tokens: 1 }));
  };
  // What is published before the subscription has arrived is lost too.
  let next = 0;
  await until(async () => {
    await store(next++);
    return numbers.length > 0;
  });
  await control(replica, "faults", { lostEvents: 1 });
  await store(1000);
  await control(replica, "faults", { lostEvents: 0 });
  await store(1001);
  await until(() => Promise.resolve(numbers.at(-1) === next + 1));
  expect(numbers).not.toContain(next);
  await subscriber.close();
});

async function start(config: Partial<ReplicaConfig> = {}): Promise<Replica> {
  const given = { profile: "tiny", speed: 0, allowFaults: true, ...config };
  const replica = await createReplica({ config: given });
  open.push(replica);
  return replica;
}

function post(replica: Replica, path: string, body: string): Promise<RawAnswer> {
  const headers = { "content-type": "application/json" };
  return exchange(replica.url, { method: "POST", path, headers, body });
}

function ask(replica: Replica, options: object = {}): Promise<RawAnswer> {
  const body = { messages: [{ role: "user", content: "Write 100 words." }], ...options };
  return post(replica, "/v1/chat/completions", JSON.stringify(body));
}

function control(replica: Replica, path: string, body: object): Promise<RawAnswer> {
  return post(replica, `/_sim/${path}`, JSON.stringify(body));
}

async function shown(replica: Replica): Promise<object> {
  const answer = await exchange(replica.url, { method: "GET", path: "/_sim/faults" });
  return JSON.parse(answer.body) as object;
}

function health(replica: Replica): Promise<number | "refused"> {
  return exchange(replica.url, { method: "GET", path: "/health" }).then(
    ({ status }) => status,
    () => "refused" as const,
  );
}

/** The texts of a stream's tokens. */
function contentsOf({ body }: RawAnswer): string[] {
  return [...body.matchAll(/"delta":\{"content":("[^"]*")\}/g)].map((match) => match[1] ?? "");
}

/** A long stream whose first token has come. */
async function openStream(replica: Replica) {
  const body = JSON.stringify({
    messages: [{ role: "user", content: "Write 5000 words." }],
    stream: true,
  });
  let text = "";
  const closed = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const head = `POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: replica.port,
    socket: {
      open: (opened) => void opened.write(head + body),
      data(_socket, bytes) {
        text += bytes.toString();
        if (text.includes("data: ")) begun.resolve();
      },
      close: () => closed.resolve(),
    },
  });
  await begun.promise;
  return { text: () => text, closed: closed.promise, leave: () => void socket.end() };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 4_000;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error("the awaited state did not come in 4 s");
    await Bun.sleep(2);
  }
}
