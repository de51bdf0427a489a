import { afterEach, describe, expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import type { Socket } from "bun";
import { type Clock, systemClock } from "../base/index.ts";
import { createManualClock } from "../testing/manual-clock.ts";
import { createHttp1Client, type Http1Client, type Http1Head, type Origin } from "./index.ts";

const limits = { keptMs: 4000, idleMaxPerOrigin: 4 };
const open: { stop(): void }[] = [];

afterEach(() => {
  for (const each of open.splice(0)) {
    each.stop();
  }
});

/** A server that does with its sockets what the test says; it notes what it got. */
function serve(onRequest: (socket: Socket<{ got: string }>, text: string) => void) {
  const seen: string[] = [];
  let connections = 0;
  let closed = 0;
  const server = Bun.listen<{ got: string }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => {
        connections += 1;
        socket.data = { got: "" };
      },
      data: (socket, bytes) => {
        socket.data.got += bytes.toString();
        const headEnd = socket.data.got.indexOf("\r\n\r\n");
        const length = Number(/content-length: (\d+)/.exec(socket.data.got)?.[1] ?? 0);
        const bodyBytes = Buffer.byteLength(socket.data.got.slice(headEnd + 4));
        if (headEnd >= 0 && bodyBytes >= length) {
          const text = socket.data.got;
          socket.data.got = "";
          seen.push(text);
          onRequest(socket, text);
        }
      },
      close: () => {
        closed += 1;
      },
    },
  });
  open.push({ stop: () => server.stop(true) });
  return {
    origin: { host: "127.0.0.1", port: server.port } satisfies Origin,
    seen,
    get connections() {
      return connections;
    },
    get closed() {
      return closed;
    },
  };
}

function clientOf(clock: Clock = systemClock, over = limits): Http1Client {
  const client = createHttp1Client(over, clock);
  open.push({ stop: () => client.close() });
  return client;
}

/** Sends and collects; resolves at the end with what came, rejects with the failure. */
function ask(
  client: Http1Client,
  origin: Origin,
  options: {
    readonly body?: string;
    readonly path?: string;
    readonly header?: string;
    readonly usesFreshConnection?: boolean;
  } = {},
): Promise<{ status: number; body: string; head: Http1Head }> {
  return new Promise((resolve, reject) => {
    let head: Http1Head | undefined;
    const pieces: Uint8Array[] = [];
    client.send(
      origin,
      {
        method: "POST",
        path: options.path ?? "/v1/x?y",
        headers: { "x-a": options.header ?? "1" },
        body: Buffer.from(options.body ?? ""),
      },
      {
        onHead: (its) => {
          head = its;
        },
        onBody: (bytes) => void pieces.push(bytes),
        onRead: () => undefined,
        onEnd: () => {
          if (head !== undefined) {
            resolve({ status: head.status, body: Buffer.concat(pieces).toString(), head });
          }
        },
        onFail: reject,
      },
      options,
    );
  });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await Bun.sleep(2);
  }
}

const ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

describe("createHttp1Client()", () => {
  test("writes the request as it is, and uses a connection again", async () => {
    const server = serve((socket) => void socket.write(ok));
    const client = clientOf();
    for (const body of ["one", "", "zwei ü"]) {
      expect((await ask(client, server.origin, { body })).body).toBe("ok");
    }
    const { port } = server.origin;
    expect(server.seen).toEqual(
      ["one", "", "zwei ü"].map(
        (body) =>
          `POST /v1/x?y HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nx-a: 1\r\n\r\n${body}`,
      ),
    );
    expect([server.connections, client.idle]).toEqual([1, 1]);
  });

  test("many at once have a connection each, and few are kept", async () => {
    const held: Socket<{ got: string }>[] = [];
    const server = serve((socket) => void held.push(socket));
    const client = clientOf();
    const all = Array.from({ length: 10 }, () => ask(client, server.origin));
    await until(() => held.length === 10);
    for (const socket of held) {
      socket.write(ok);
    }
    expect(new Set((await Promise.all(all)).map(({ status }) => status))).toEqual(new Set([200]));
    expect(client.idle).toBe(4);
    await until(() => server.closed === 6);
  });

  test("a body of 20 MB goes out whole to a slow reader, and one comes in whole", async () => {
    const text = "x".repeat(20_000_000);
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      maxRequestBodySize: 30_000_000,
      fetch: async (request) => new Response((await request.text()).replaceAll("x", "y")),
    });
    open.push({ stop: () => void server.stop(true) });
    const client = clientOf();
    const origin = { host: "127.0.0.1", port: server.port ?? 0 };
    const { body } = await ask(client, origin, { body: text });
    expect(body.length).toBe(text.length);
    expect(body === "y".repeat(text.length)).toBe(true);
  });

  test("a kept connection is not used beyond its time, nor one that the server closed", async () => {
    const clock = createManualClock();
    const server = serve((socket, text) => {
      socket.write(ok);
      if (text.includes("close")) {
        socket.end();
      }
    });
    const client = clientOf(clock);
    await ask(client, server.origin);
    await clock.advance(limits.keptMs);
    await ask(client, server.origin);
    expect(server.connections).toBe(2);
    await ask(client, server.origin, { body: "close" });
    await until(() => client.idle === 0);
    await ask(client, server.origin);
    expect(server.connections).toBe(3);
    await ask(client, server.origin, { usesFreshConnection: true });
    expect(server.connections).toBe(4);
  });

  test("idle connections are closed when they are old, without anybody asking", async () => {
    const server = serve((socket) => void socket.write(ok));
    const client = clientOf(systemClock, { keptMs: 40, idleMaxPerOrigin: 4 });
    await ask(client, server.origin);
    await until(() => client.idle === 0 && server.closed === 1);
  });

  test("nothing is kept of an origin that is not used any more, until it is again", async () => {
    const pieces: Socket<{ got: string }>[] = [];
    const server = serve((socket) => void socket.write(ok));
    const slow = serve((socket) => void pieces.push(socket));
    const client = clientOf(systemClock, { keptMs: 40, idleMaxPerOrigin: 4 });
    await ask(client, server.origin);
    const late = ask(client, slow.origin);
    await until(() => client.origins === 1 && server.closed === 1 && pieces.length === 1);
    pieces[0]?.write(ok);
    await late;
    await until(() => client.origins === 0 && slow.closed === 1);
    // The caller's object is the same, and what was dropped does not serve it again.
    await ask(client, server.origin);
    expect(client.origins).toBe(1);
    await until(() => client.origins === 0 && server.closed === 2);
  });

  test("nobody there is unreachable; a cut answer died; nonsense is a protocol fault", async () => {
    const gone = serve(() => undefined);
    open.pop()?.stop();
    const client = clientOf();
    const kindOf = async (origin: Origin) =>
      ask(client, origin).then(
        () => "answered",
        (error: unknown) => (error as { kind: string }).kind,
      );
    expect(await kindOf(gone.origin)).toBe("unreachable");
    const answers: Record<string, string> = {
      died: "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
      protocol: "SMTP ready\r\n\r\n",
    };
    for (const [kind, answer] of Object.entries(answers)) {
      const server = serve((socket) => {
        socket.write(answer);
        socket.end();
      });
      expect(await kindOf(server.origin)).toBe(kind);
    }
    const silent = serve((socket) => void socket.end());
    expect(await kindOf(silent.origin)).toBe("died");
    expect(client.idle).toBe(0);
  });

  test("a path or a value cannot end its line", async () => {
    const server = serve((socket) => void socket.write(ok));
    const client = clientOf();
    await ask(client, server.origin);
    const send = (path: string) =>
      ask(client, server.origin, { path, header: "a\r\nx-b: c\u010ad" });
    await send("/v1/x");
    expect(server.seen[1]).toContain("x-a: a  x-b: c d\r\n");
    const refused = await send("/v1/x HTTP/1.1\r\nx: y").catch((error: Error) => error.message);
    expect(refused).toContain("the path");
    expect(server.seen.length).toBe(2);
  });

  test("who aborts hears no more, and the server sees it leave", async () => {
    const server = serve((socket) => {
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
    });
    const client = clientOf();
    const heard: string[] = [];
    const exchange = client.send(
      server.origin,
      { method: "POST", path: "/", headers: {}, body: new Uint8Array() },
      {
        onHead: ({ status }) => void heard.push(String(status)),
        onBody: (bytes) => void heard.push(Buffer.from(bytes).toString()),
        onRead: () => undefined,
        onEnd: () => void heard.push("end"),
        onFail: ({ kind }) => void heard.push(kind),
      },
    );
    await until(() => heard.length === 2);
    exchange.abort();
    exchange.abort();
    await until(() => server.closed === 1);
    expect(heard).toEqual(["200", "hello"]);
    expect(client.idle).toBe(0);
  });

  test("who aborts before the connection is there sends nothing", async () => {
    const server = serve((socket) => void socket.write(ok));
    const client = clientOf();
    const heard: string[] = [];
    client
      .send(
        server.origin,
        { method: "POST", path: "/", headers: {}, body: new Uint8Array() },
        {
          onHead: () => void heard.push("head"),
          onBody: () => void heard.push("body"),
          onRead: () => undefined,
          onEnd: () => void heard.push("end"),
          onFail: () => void heard.push("fail"),
        },
      )
      .abort();
    await until(() => client.idle === 1);
    await ask(client, server.origin);
    expect([heard, server.seen.length, server.connections]).toEqual([[], 1, 1]);
  });

  test("a paused answer holds the server up, and goes on when resumed", async () => {
    const piece = "z".repeat(64 * 1024);
    let sent = 0;
    const total = 400;
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () =>
        new Response(
          new ReadableStream({
            pull: (controller) => {
              if (sent === total) {
                controller.close();
              } else {
                sent += 1;
                controller.enqueue(Buffer.from(piece));
              }
            },
          }),
        ),
    });
    open.push({ stop: () => void server.stop(true) });
    const client = clientOf();
    let got = 0;
    const ended = Promise.withResolvers<void>();
    const exchange = client.send(
      { host: "127.0.0.1", port: server.port ?? 0 },
      { method: "GET", path: "/", headers: {}, body: new Uint8Array() },
      {
        onHead: () => exchange.pause(),
        onBody: (bytes) => {
          got += bytes.length;
        },
        onRead: () => undefined,
        onEnd: () => ended.resolve(),
        onFail: (error) => ended.reject(error),
      },
    );
    await Bun.sleep(300);
    expect(sent).toBeLessThan(total);
    exchange.resume();
    await ended.promise;
    expect(got).toBe(total * piece.length);
  });

  test("a connection whose answer ended while nobody wanted more carries the next one", async () => {
    const server = serve((socket) => void socket.write(ok));
    const client = clientOf();
    await new Promise<void>((resolve, reject) => {
      const exchange = client.send(
        server.origin,
        { method: "GET", path: "/", headers: {}, body: new Uint8Array() },
        {
          onHead: () => undefined,
          onBody: () => exchange.pause(),
          onRead: () => undefined,
          onEnd: resolve,
          onFail: reject,
        },
      );
    });
    expect((await ask(client, server.origin)).body).toBe("ok");
    expect(server.connections).toBe(1);
  });

  test("what follows an answer unasked is nobody's, not even of a request sent at its end", async () => {
    let asked = 0;
    const server = serve((socket) => {
      asked += 1;
      socket.write(asked === 1 ? `${ok}${ok.slice(0, -2)}no` : ok);
    });
    const client = clientOf();
    let reads = 0;
    const next = Promise.withResolvers<string>();
    client.send(
      server.origin,
      { method: "GET", path: "/", headers: {}, body: new Uint8Array() },
      {
        onHead: () => undefined,
        onBody: () => undefined,
        onRead: () => {
          reads += 1;
        },
        onEnd: () => {
          ask(client, server.origin).then(({ body }) => next.resolve(body), next.reject);
        },
        onFail: next.reject,
      },
    );
    expect(await next.promise).toBe("ok");
    expect([asked, reads, server.connections]).toEqual([2, 1, 2]);
  });

  test("an answer without a length that a reset cuts is not whole", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\npart", () => socket.resetAndDestroy());
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    open.push({ stop: () => void server.close() });
    const { port } = server.address() as AddressInfo;
    await expect(ask(clientOf(), { host: "127.0.0.1", port })).rejects.toMatchObject({
      kind: "died",
    });
  });
});
