import { afterEach, describe, expect, test } from "bun:test";
import { type Clock, systemClock } from "@warmpath/runtime/base";
import { exchange } from "../recorded/exchange.ts";
import { HttpServer, keepAliveMs } from "./server.ts";
import type { HttpReply, HttpRequest } from "./types.ts";

/** Twenty times as fast as the wall, so that five seconds are a quarter of one. */
const fastClock: Clock = {
  nowMs: () => systemClock.nowMs(),
  monotonicMs: () => systemClock.monotonicMs() * 20,
  sleep: (ms, signal) => systemClock.sleep(ms / 20, signal),
};

const servers: HttpServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

describe("a connection", () => {
  test("is closed when it waited five seconds for a request, not sooner for an answer", async () => {
    const server = start(async ({ path }) => {
      if (path === "/slow") await fastClock.sleep(keepAliveMs * 1.5);
      return reply("ok");
    });
    const client = await connect(server);
    client.send("GET /slow HTTP/1.1\r\n\r\n");
    await client.received("ok");
    const answeredMs = fastClock.monotonicMs();
    await client.closed;
    const idleMs = fastClock.monotonicMs() - answeredMs;
    expect(idleMs).toBeGreaterThan(keepAliveMs * 0.9);
  });

  test("answers requests that were sent in one go, in their order", async () => {
    const server = start(async ({ path }) => {
      if (path === "/1") await systemClock.sleep(5);
      return reply(`<${path}>`);
    });
    const client = await connect(server);
    client.send("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n");
    await client.received("</3>");
    expect(client.text().match(/<[^>]*>/g)).toEqual(["</1>", "</2>", "</3>"]);
  });

  test("takes bodies in pieces, chunked ones too, and says 100 to who waits for it", async () => {
    const server = start(({ body }) => Promise.resolve(reply(`<${body.toString()}>`)));
    const client = await connect(server);
    client.send("POST / HTTP/1.1\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n");
    await client.received("100 Continue");
    client.send("he");
    await systemClock.sleep(2);
    client.send("llo");
    await client.received("<hello>");
    client.send("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r");
    client.send("\nde\r\n0\r\n\r\n");
    await client.received("<abcde>");
  });

  test("that asks to be closed is closed after its answer", async () => {
    const server = start(() => Promise.resolve(reply("bye")));
    const client = await connect(server);
    client.send("GET / HTTP/1.1\r\nconnection: close\r\n\r\n");
    await client.closed;
    expect(client.text()).toContain("connection: close");
    expect(client.text()).toEndWith("bye");
  });

  test("that does not speak HTTP, or sends too much, is told so and closed", async () => {
    const server = start(() => Promise.resolve(reply("ok")));
    const stranger = await connect(server);
    stranger.send("hello there\r\n\r\n");
    await stranger.closed;
    expect(stranger.text()).toStartWith("HTTP/1.1 400 Bad Request");
    for (const length of ["content-length: 0x10", "transfer-encoding: chunked\r\n\r\n5g"]) {
      const liar = await connect(server);
      liar.send(`POST / HTTP/1.1\r\n${length}\r\n\r\n`);
      await liar.closed;
      expect(liar.text()).toStartWith("HTTP/1.1 400 Bad Request");
    }
    const glutton = await connect(server);
    glutton.send("POST / HTTP/1.1\r\ncontent-length: 2000000\r\n\r\n");
    await glutton.closed;
    expect(glutton.text()).toStartWith("HTTP/1.1 413 ");
    for (const end of ["", "\r\n\r\n"]) {
      const talker = await connect(server);
      talker.send(`GET / HTTP/1.1\r\nx-long: ${"x".repeat(70_000)}${end}`);
      await talker.closed;
      expect(talker.text()).toStartWith("HTTP/1.1 400 Bad Request");
    }
  });

  test("whose client leaves aborts the request's signal", async () => {
    const left = Promise.withResolvers<void>();
    const server = start(({ signal }) => {
      signal.addEventListener("abort", () => left.resolve());
      return new Promise(() => undefined);
    });
    const client = await connect(server);
    client.send("GET / HTTP/1.1\r\n\r\n");
    client.leave();
    await left.promise;
  });
});

test("an answer larger than the socket takes arrives whole", async () => {
  const text = "0123456789".repeat(500_000);
  const server = start(() => Promise.resolve(reply(text)));
  const answer = await exchange(`http://127.0.0.1:${server.port}`, { method: "GET", path: "/" });
  expect(answer.body === text).toBe(true);
});

test("a closed port refuses new connections and leaves open ones alone", async () => {
  const go = Promise.withResolvers<void>();
  const server = start(async () => {
    await go.promise;
    return reply("late");
  });
  const client = await connect(server);
  client.send("GET / HTTP/1.1\r\n\r\n");
  await systemClock.sleep(2);
  server.closePort();
  expect(
    await connect(server).then(
      () => "accepted",
      () => "refused",
    ),
  ).toBe("refused");
  go.resolve();
  await client.received("late");
  server.listen();
  expect(
    await connect(server).then(
      () => "accepted",
      () => "refused",
    ),
  ).toBe("accepted");
});

function start(answer: (request: HttpRequest) => Promise<HttpReply>): HttpServer {
  const server = new HttpServer({
    host: "127.0.0.1",
    port: 0,
    clock: fastClock,
    bodyBytesMax: 1_000_000,
    answer,
    isControl: () => false,
  });
  server.listen();
  servers.push(server);
  return server;
}

function reply(body: string): HttpReply {
  return { status: 200, headers: {}, body };
}

async function connect(server: HttpServer) {
  let text = "";
  const closed = Promise.withResolvers<void>();
  let onText: () => void = () => undefined;
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: {
      data(_socket, bytes) {
        text += bytes.toString();
        onText();
      },
      close: () => closed.resolve(),
    },
  });
  return {
    send: (sent: string) => void socket.write(sent),
    leave: () => void socket.end(),
    text: () => text,
    closed: closed.promise,
    received: (wanted: string) =>
      new Promise<void>((resolve) => {
        onText = () => {
          if (text.includes(wanted)) resolve();
        };
        onText();
      }),
  };
}
