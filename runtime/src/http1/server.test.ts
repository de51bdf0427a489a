import { afterEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { silentLogger, WarmpathError } from "../base/index.ts";
import type { HttpAnswer } from "./answer.ts";
import { type HttpRequest, listenHttp1 } from "./index.ts";

const host = "127.0.0.1";
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) {
    await close();
  }
});

function serve(handle: (request: HttpRequest) => Promise<HttpAnswer | Response>): number {
  const listener = listenHttp1({ host, port: 0, log: silentLogger, handle });
  closers.push(() => listener.close(0));
  return listener.port;
}

/** A connection whose bytes the test writes and reads. */
async function open(port: number): Promise<{
  readonly socket: Socket;
  readonly seen: () => string;
  until(holds: (seen: string) => boolean): Promise<string>;
  readonly closed: Promise<string>;
}> {
  const socket = connect(port, host);
  let seen = "";
  let look = (): void => undefined;
  const closed = Promise.withResolvers<string>();
  socket.on("data", (bytes) => {
    seen += bytes.toString("latin1");
    look();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => closed.resolve(seen));
  await new Promise<void>((resolve) => socket.on("connect", resolve));
  return {
    socket,
    seen: () => seen,
    closed: closed.promise,
    until: (holds) =>
      new Promise((resolve) => {
        look = () => {
          if (holds(seen)) {
            resolve(seen);
          }
        };
        look();
      }),
  };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);
const ok = (text: string): HttpAnswer => ({
  status: 200,
  headers: { "content-type": "text/plain" },
  body: bytesOf(text),
});

/** Says what it was asked. */
const echo = async (request: HttpRequest) => {
  const body = Buffer.from(await request.readBody(1 << 20)).toString();
  return ok(`${request.method} ${new URL(request.url).pathname} ${body}`);
};

const post = (body: string) =>
  `POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunkedPost = "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
const count = (text: string, part: string) => text.split(part).length - 1;

describe("listenHttp1()", () => {
  test("answers one request after another, pipelined or cut anywhere", async () => {
    const port = serve(echo);
    const text = `${post("one")}${chunkedPost}3\r\ntwo\r\n0\r\n\r\nGET /c?d HTTP/1.1\r\nHost: x\r\n\r\n`;
    for (let cut = 1; cut < text.length; cut += 7) {
      const client = await open(port);
      client.socket.write(text.slice(0, cut));
      await Bun.sleep(0);
      client.socket.write(text.slice(cut));
      const seen = await client.until((all) => all.includes("GET /c"));
      expect(seen).toContain("POST /a one");
      expect(seen).toContain("POST /b two");
      expect(count(seen, "HTTP/1.1 200 OK\r\n")).toBe(3);
      client.socket.destroy();
    }
  });

  test("a large body is whole however it comes, many times on one connection", async () => {
    const port = serve(async (request) => ok(String((await request.readBody(4e6)).length)));
    const client = await open(port);
    for (let round = 1; round <= 5; round += 1) {
      client.socket.write(post("x".repeat(round * 300_000)));
      await client.until((all) => all.includes(String(round * 300_000)));
    }
    client.socket.destroy();
  });

  test("refuses what could be read in two ways, and reads nothing behind it", async () => {
    const handled: string[] = [];
    const port = serve(async ({ url }) => {
      handled.push(url);
      return ok("");
    });
    const inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const head of [
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\n",
      "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
      "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
      "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
      "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ]) {
      const client = await open(port);
      client.socket.end(`${head}${inner}`);
      const seen = await client.closed;
      expect([head, count(seen, "HTTP/1.1 ")]).toEqual([head, 1]);
      expect(seen).toStartWith("HTTP/1.1 400 ");
    }
    expect(handled).toEqual([]);
  });

  test("a body that is too large is refused before it is read, and the connection lives on", async () => {
    const port = serve(async (request) => ok(String((await request.readBody(10)).length)));
    const client = await open(port);
    client.socket.write(`${post("x".repeat(5000))}${chunkedPost}b\r\nxxxxxxxxxxx\r\n0\r\n\r\n`);
    client.socket.write(post("fits"));
    const seen = await client.until((all) => all.endsWith("\r\n\r\n4"));
    expect(count(seen, "HTTP/1.1 413 ")).toBe(2);
    client.socket.destroy();
  });

  test("a client that waits for leave to send its body gets it", async () => {
    const client = await open(serve(echo));
    client.socket.write(
      "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    );
    await client.until((all) => all.startsWith("HTTP/1.1 100 Continue\r\n\r\n"));
    client.socket.write("abc");
    await client.until((all) => all.endsWith("POST /a abc"));
    client.socket.destroy();
  });

  test("a client that is refused is not asked for its body, and the connection ends", async () => {
    const client = await open(serve(async () => ({ ...ok("no"), status: 401 })));
    client.socket.write(
      "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    );
    const seen = await client.closed;
    expect(seen).toStartWith("HTTP/1.1 401 ");
    expect(seen.toLowerCase()).toContain("connection: close");
    expect(seen).toEndWith("\r\n\r\nno");
  });

  test("a body that comes bit by bit goes out so, and a cut one breaks the connection", async () => {
    const steps: ((text: string | undefined) => void)[] = [];
    const port = serve(async ({ url }) => ({
      status: 200,
      headers: {},
      body: (sink) => {
        steps.push((text) => {
          if (text === undefined) {
            url.endsWith("/cut") ? sink.cut() : sink.end();
          } else {
            sink.write(bytesOf(text));
            sink.flush();
          }
        });
      },
    }));
    const client = await open(port);
    client.socket.write("GET /whole HTTP/1.1\r\nHost: x\r\n\r\n");
    while (steps.length < 1) await Bun.sleep(1);
    steps[0]?.("hello");
    await client.until((all) => all.endsWith("\r\n\r\n5\r\nhello\r\n"));
    steps[0]?.(undefined);
    await client.until((all) => all.endsWith("hello\r\n0\r\n\r\n"));
    client.socket.write("GET /cut HTTP/1.1\r\nHost: x\r\n\r\n");
    while (steps.length < 2) await Bun.sleep(1);
    steps[1]?.("part");
    steps[1]?.(undefined);
    expect(await client.closed).toEndWith("4\r\npart\r\n");
    // Without chunks the end of the connection would pass for that of the body.
    for (const [path, code] of [
      ["/whole", undefined],
      ["/cut", "ECONNRESET"],
    ]) {
      const old = await open(port);
      const failed = Promise.withResolvers<unknown>();
      old.socket.on("error", (error: NodeJS.ErrnoException) => failed.resolve(error.code));
      old.socket.on("end", () => failed.resolve(undefined));
      const begun = steps.length;
      old.socket.write(`GET ${path} HTTP/1.0\r\n\r\n`);
      while (steps.length === begun) await Bun.sleep(1);
      steps[begun]?.("part");
      await old.until((all) => all.endsWith("part"));
      steps[begun]?.(undefined);
      expect(await failed.promise).toBe(code);
    }
  });

  test("a client that leaves is told of, and one that reads nothing holds its writer up", async () => {
    const left = Promise.withResolvers<void>();
    const full = Promise.withResolvers<void>();
    const drained = Promise.withResolvers<void>();
    const port = serve(async (request) => {
      request.signal.addEventListener("abort", () => left.resolve());
      return {
        status: 200,
        headers: {},
        body: (sink) => {
          const piece = Buffer.alloc(1 << 16);
          const write = () => {
            while (!sink.isFull) {
              sink.write(piece);
              sink.flush();
            }
            sink.onDrain = () => drained.resolve();
            full.resolve();
          };
          write();
        },
      };
    });
    const client = await open(port);
    client.socket.pause();
    client.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await full.promise;
    client.socket.resume();
    await drained.promise;
    client.socket.destroy();
    await left.promise;
  });

  test("old clients get a body that ends with the connection; HEAD gets none", async () => {
    const port = serve(async () => new Response("body"));
    const old = await open(port);
    old.socket.write("GET / HTTP/1.0\r\n\r\n");
    expect(await old.closed).toEndWith("connection: close\r\n\r\nbody");
    const head = await open(port);
    head.socket.write("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(await head.closed).toEndWith("\r\n\r\n");
  });

  test("serves the platform's requests and responses, streams included", async () => {
    const port = serve(async (request) => {
      const asked = request.toFetch();
      return new Response(asked.body, { status: 201, headers: { "x-method": asked.method } });
    });
    const body = "y".repeat(500_000);
    const answer = await fetch(`http://${host}:${port}/`, { method: "POST", body });
    expect([answer.status, answer.headers.get("x-method")]).toEqual([201, "POST"]);
    expect((await answer.text()) === body).toBe(true);
  });

  test("turns what a handler throws into a JSON error", async () => {
    const port = serve(async ({ url }) => {
      throw url.endsWith("/known")
        ? new WarmpathError("rejected-over-limit", "slow down", { retryAfterMs: 3000 })
        : new Error("secret");
    });
    const known = await fetch(`http://${host}:${port}/known`);
    expect([known.status, known.headers.get("retry-after")]).toEqual([429, "3"]);
    const unknown = await fetch(`http://${host}:${port}/`);
    expect(unknown.status).toBe(500);
    expect(await unknown.text()).not.toContain("secret");
  });

  test("a flow that throws breaks its own connection and no other", async () => {
    const port = serve(async ({ url }) => ({
      status: 200,
      headers: { "x-forged": "a\r\nset-cookie: b\u010ac" },
      body: (sink) => {
        if (url.endsWith("/throws")) {
          throw new Error("a fault of ours");
        }
        sink.end();
      },
    }));
    const healthy = await open(port);
    const broken = await open(port);
    broken.socket.write("GET /throws HTTP/1.1\r\nHost: x\r\n\r\n");
    expect(await broken.closed).toBe("");
    healthy.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const seen = await healthy.until((all) => all.endsWith("0\r\n\r\n"));
    expect(seen).toContain("x-forged: a  set-cookie: b c\r\n");
    healthy.socket.destroy();
  });

  test("lets what is under way end, closes who waits, and cuts after its grace", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<HttpAnswer>();
    const handle = () => {
      asked.resolve();
      return answer.promise;
    };
    const listener = listenHttp1({ host, port: 0, log: silentLogger, handle });
    const busy = await open(listener.port);
    const idle = await open(listener.port);
    busy.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await asked.promise;
    const closing = listener.close(5000);
    expect(await idle.closed).toBe("");
    answer.resolve(ok("done"));
    expect(await busy.closed).toEndWith("connection: close\r\ncontent-length: 4\r\n\r\ndone");
    await closing;

    const never = listenHttp1({
      host,
      port: 0,
      log: silentLogger,
      handle: () => new Promise<HttpAnswer>(() => undefined),
    });
    const stuck = await open(never.port);
    stuck.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await Bun.sleep(10);
    await never.close(20);
    expect(await stuck.closed).toBe("");
  });

  test("a body that a handler of the platform's kind leaves unread holds up no later request", async () => {
    const port = serve(async (request) => {
      request.toFetch();
      return new Response("no", { status: 404 });
    });
    const client = await open(port);
    client.socket.write(`${post("x".repeat(500_000))}${post("again")}`);
    await client.until((all) => count(all, "HTTP/1.1 404 ") === 2);
    client.socket.destroy();
  });

  test("a body that breaks behind the beginning of its answer adds nothing to that", async () => {
    const left = Promise.withResolvers<void>();
    const port = serve(async (request) => {
      request.signal.addEventListener("abort", () => left.resolve());
      return {
        status: 200,
        headers: {},
        body: (sink) => {
          sink.write(bytesOf("part"));
          sink.flush();
        },
      };
    });
    const client = await open(port);
    client.socket.write(`${chunkedPost}1\r\nx\r\n`);
    await client.until((all) => all.endsWith("4\r\npart\r\n"));
    client.socket.write("no size\r\n");
    expect(await client.closed).toEndWith("4\r\npart\r\n");
    await left.promise;
  });

  test("a client that goes on and on with what nobody wants ends its answer too", async () => {
    const left = Promise.withResolvers<void>();
    const port = serve(async (request) => {
      request.signal.addEventListener("abort", () => left.resolve());
      return { status: 200, headers: {}, body: (sink) => sink.flush() };
    });
    const client = await open(port);
    client.socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
    client.socket.write(Buffer.alloc(17 << 20));
    await left.promise;
    client.socket.destroy();
  });

  test("reads a body in chunks of one byte each", async () => {
    const client = await open(
      serve(async (request) => ok(`${(await request.readBody(1e6)).join("")}!`)),
    );
    const digits = Array.from({ length: 1000 }, (_, index) => index % 8);
    client.socket.write(chunkedPost);
    for (const digit of digits) {
      client.socket.write(Buffer.from([0x31, 13, 10, digit, 13, 10]));
    }
    client.socket.write("0\r\n\r\n");
    expect(await client.until((all) => all.endsWith("!"))).toEndWith(`\n${digits.join("")}!`);
    client.socket.destroy();
  });

  test("a host that is none is the client's fault where the platform has to read it", async () => {
    const client = await open(serve(async (request) => Response.json(request.toFetch().url)));
    for (const name of ["%%%[", "x:99999", "1.2.3.4.5"]) {
      client.socket.write(`GET / HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
    }
    await client.until((all) => count(all, "HTTP/1.1 400 ") === 3);
    client.socket.destroy();
  });
});
