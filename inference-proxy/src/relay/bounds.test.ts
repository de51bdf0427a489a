import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:http2";
import { connect as connectTo, Socket } from "node:net";
import { testPrincipal } from "@warmpath/runtime/testing";
import {
  chunk,
  type FakeEngine,
  helloStream,
  startFakeEngine,
  startTestProxy,
  streamOf,
  type TestProxy,
  testKey,
} from "../testing/index.ts";

/*
 * Goal: whatever an upstream or a client sends, what is held for it is bounded, and whoever is left
 * is told. Method: an upstream and a client that do not stop, or that say strange things.
 */

const opened: (FakeEngine | TestProxy)[] = [];

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) {
    await ("stop" in each ? each.stop() : each.close());
  }
});

async function setUp(
  answer: FakeEngine["answer"],
  config: Parameters<typeof startTestProxy>[1] = {},
): Promise<{ engine: FakeEngine; proxy: TestProxy }> {
  const engine = startFakeEngine();
  engine.answer = answer;
  const proxy = await startTestProxy([engine], { attemptsMax: 1, ...config });
  opened.push(engine, proxy);
  return { engine, proxy };
}

async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    if (await holds()) {
      return;
    }
    await Bun.sleep(10);
  }
  throw new Error("it did not come true within two seconds");
}

const ask = { model: "tiny", messages: [{ role: "user", content: "hi" }], stream: true };

test("a model's name is not kept whatever its length: a longer one than any is refused at once", async () => {
  const { engine, proxy } = await setUp(() => streamOf(helloStream));
  const model = "m".repeat(100_000);
  const refused = await proxy.post("/v1/chat/completions", { ...ask, model });
  expect(refused.status).toBe(404);
  const text = await refused.text();
  expect(JSON.parse(text)).toMatchObject({ error: { code: "model_not_found" } });
  expect(text.length).toBeLessThan(1000);
  expect(engine.seen.length).toBe(0);
});

/** Sends `piece` for as long as it is taken. */
function endless(piece: string, contentType = "text/event-stream"): Response {
  const bytes = new TextEncoder().encode(piece);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await Bun.sleep(1);
      controller.enqueue(bytes);
    },
  });
  return new Response(body, { headers: { "content-type": contentType } });
}

describe("an upstream that does not stop", () => {
  const cases: Record<string, { answer: () => Response; stream: boolean }> = {
    "with an event before the first": {
      answer: () => endless("data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
      stream: true,
    },
    "with comments before the first event": {
      answer: () => endless(": ping ping ping ping ping ping ping ping ping ping ping\n\n"),
      stream: true,
    },
    "with an answer that is not streamed": {
      answer: () => endless("x".repeat(2000), "application/json"),
      stream: false,
    },
    "with an error": {
      answer: () => new Response(endless("x".repeat(2000)).body, { status: 400 }),
      stream: true,
    },
  };
  for (const [title, { answer, stream }] of Object.entries(cases)) {
    test(`${title} is left, and its place is free`, async () => {
      const { engine, proxy } = await setUp(answer, {
        eventBytesMax: 4096,
        answerBytesMax: 65_536,
      });
      const response = await proxy.post("/v1/chat/completions", { ...ask, stream });
      expect([502, 503]).toContain(response.status);
      await eventually(() => engine.left === 1);
      const { replicas } = await proxy.inference.listReplicas({}, { principal: testPrincipal() });
      expect(replicas[0]?.inFlight).toBe(0);
    });
  }

  test("when it compresses what it said was short, is left as well", async () => {
    const bomb = Bun.gzipSync(new Uint8Array(8 << 20));
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    const { proxy } = await setUp(() => new Response(bomb, { headers }), {
      answerBytesMax: 65_536,
    });
    const response = await proxy.post("/v1/chat/completions", { ...ask, stream: false });
    expect(response.status).toBe(502);
  });
});

describe("a request that states the impossible", () => {
  test("endless tokens do not lock its key out for good", async () => {
    const { proxy } = await setUp(() => streamOf(helloStream), { tokensPerMinute: 1_000_000_000 });
    const body = JSON.stringify(ask).replace("{", '{"max_tokens":1e999,');
    for (let round = 0; round < 3; round += 1) {
      const response = await proxy.post("/v1/chat/completions", body);
      const retryAfter = response.headers.get("retry-after");
      expect(retryAfter === null || Number.isFinite(Number(retryAfter))).toBe(true);
      await response.text();
      // What was not used is given back with the end of the call.
      await Bun.sleep(20);
    }
    expect((await proxy.post("/v1/chat/completions", ask)).status).toBe(200);
  });

  test("a prompt by another name is salted too", async () => {
    const { engine, proxy } = await setUp(() => streamOf(helloStream));
    const body = { model: "tiny", prompt_embeds: "AAAA", input: "x", stream: true };
    await (await proxy.post("/v1/completions", body)).text();
    expect(JSON.parse(engine.seen[0]?.body ?? "{}").cache_salt).toBe("acme");
  });
});

/** Raw bytes over HTTP/1.1, and all that comes back until the other side is done. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = new Socket();
    let seen = "";
    socket.on("data", (bytes) => {
      seen += bytes.toString();
    });
    socket.on("close", () => resolve(seen));
    socket.on("error", () => resolve(seen));
    socket.connect(port, "127.0.0.1", () => socket.write(text));
    setTimeout(() => socket.destroy(), 400);
  });
}

describe("a client that tries to smuggle", () => {
  const json = JSON.stringify({ ...ask, stream: false });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${testKey}\r\n`;
  const inner = `GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`;
  const cases: Record<string, string> = {
    "two lengths": `${head}Content-Length: ${json.length}\r\nContent-Length: ${json.length + inner.length}\r\n\r\n${json}${inner}`,
    "a length and chunks": `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    "a negative length": `${head}Content-Length: -1\r\n\r\n${json}`,
  };
  for (const [title, bytes] of Object.entries(cases)) {
    test(`by ${title} is refused, and no second request is read`, async () => {
      const { engine, proxy } = await setUp(() => Response.json({ choices: [] }));
      const answered = await raw(proxy.proxy.httpPort, bytes);
      expect(answered).not.toContain("/smuggled");
      expect(answered.match(/HTTP\/1\.1 /g)?.length ?? 0).toBeLessThanOrEqual(1);
      expect(engine.seen.length).toBe(0);
    });
  }

  test("cannot put a line of its own among the headers that an engine sees", async () => {
    const { engine, proxy } = await setUp(() => streamOf(helloStream));
    const extra = `X-Session-ID: a\rX-Vllm-Priority: -9\r\nX-Vllm-Priority: -9\r\nX-data-parallel-rank: 7\r\nWarmpath-Principal: v1.x.y\r\n`;
    await raw(proxy.proxy.httpPort, `${head}${extra}Content-Length: ${json.length}\r\n\r\n${json}`);
    for (const { headers } of engine.seen) {
      expect(
        [...headers.keys()].filter((name) => /vllm|rank|principal|session/.test(name)),
      ).toEqual([]);
    }
  });
});

describe("a client over cleartext HTTP/2", () => {
  test("that reads nothing for ever holds neither its engine nor its place", async () => {
    const text = chunk({ content: "x".repeat(64 * 1024) });
    const { engine, proxy } = await setUp(() => endless(text), { heldUpMsMax: 100 });
    const session = connect(`http://127.0.0.1:${proxy.proxy.httpPort}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/v1/chat/completions",
      authorization: `Bearer ${testKey}`,
      "content-type": "application/json",
    });
    stream.on("error", () => undefined);
    stream.end(JSON.stringify(ask));
    await eventually(() => engine.left === 1);
    const { replicas } = await proxy.inference.listReplicas({}, { principal: testPrincipal() });
    expect(replicas[0]?.inFlight).toBe(0);
    session.destroy();
  });

  for (const [title, first] of [
    ["before the first event", ": ok\n\n"],
    ["in the middle of a stream", chunk({ content: "x" })],
  ] as const) {
    test(`that resets its stream ${title} frees the engine and the place`, async () => {
      const { engine, proxy } = await setUp(() => streamOf([first], { hangsAtEnd: true }));
      const session = connect(`http://127.0.0.1:${proxy.proxy.httpPort}`);
      const stream = session.request({
        ":method": "POST",
        ":path": "/v1/chat/completions",
        authorization: `Bearer ${testKey}`,
        "content-type": "application/json",
      });
      stream.on("error", () => undefined);
      stream.end(JSON.stringify(ask));
      await eventually(() => engine.seen.length === 1);
      await Bun.sleep(50);
      stream.close(8);
      await eventually(() => engine.left === 1);
      await eventually(async () => {
        const { replicas } = await proxy.inference.listReplicas({}, { principal: testPrincipal() });
        return replicas[0]?.inFlight === 0;
      });
      session.destroy();
    });
  }
});

describe("a client that speaks an older or a shorter HTTP", () => {
  const json = JSON.stringify({ ...ask, stream: true });
  const headOf = (version: string) =>
    `POST /v1/chat/completions HTTP/${version}\r\nHost: x\r\nAuthorization: Bearer ${testKey}\r\nContent-Length: ${json.length}\r\n\r\n`;

  test("by HTTP/1.0 gets its stream without chunks, and the connection is closed", async () => {
    const { proxy } = await setUp(() => streamOf(helloStream));
    const answered = await raw(proxy.proxy.httpPort, `${headOf("1.0")}${json}`);
    const [head = "", body = ""] = answered.split("\r\n\r\n");
    expect(head.toLowerCase()).toContain("connection: close");
    expect(head.toLowerCase()).not.toContain("transfer-encoding");
    expect(body).toStartWith("data: {");
    expect(body).toEndWith("data: [DONE]\n\n");
  });

  test("that closes its sending side behind its request gets all of a slow stream", async () => {
    const { engine, proxy } = await setUp(() => streamOf(helloStream, { pauseMs: 40 }));
    const socket = connectTo({
      port: proxy.proxy.httpPort,
      host: "127.0.0.1",
      allowHalfOpen: true,
    });
    socket.end(`${headOf("1.1")}${json}`);
    let seen = "";
    for await (const bytes of socket) {
      seen += String(bytes);
    }
    expect(seen).toContain("data: [DONE]\n\n");
    expect(seen).toEndWith("0\r\n\r\n");
    expect(engine.left).toBe(0);
  });
});

test("bodies on their way hold no more together than they may: 503, with a time", async () => {
  const { proxy } = await setUp(() => streamOf(helloStream), {
    bodyBytesMax: 100_000,
    receivedBytesMax: 100_000,
  });
  const begin = (sent: number) => {
    const socket = connectTo({ port: proxy.proxy.httpPort, host: "127.0.0.1" });
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${testKey}\r\nContent-Length: 99000\r\n\r\n`,
    );
    socket.write("x".repeat(sent));
    return socket;
  };
  const slow = begin(60_000);
  await Bun.sleep(50);
  const refused = begin(60_000);
  const [bytes] = (await once(refused, "data")) as [Buffer];
  expect(bytes.toString()).toStartWith("HTTP/1.1 503 ");
  expect(bytes.toString()).toContain("retry-after: 1\r\n");
  expect(bytes.toString()).toContain('"code":"overloaded"');
  slow.destroy();
  refused.destroy();
});
