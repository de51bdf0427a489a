import { afterEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { silentLogger } from "../base/index.ts";
import type { BodySink, HttpAnswer } from "./answer.ts";
import { type HttpRequest, listenHttp1 } from "./index.ts";

/*
 * Goal: a client that has closed its sending side still gets its answer, and one that has closed
 * both is told of, though the network says the same of either. Method: raw sockets that end or are
 * destroyed while the handler waits for the test.
 */

const host = "127.0.0.1";
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) {
    await close();
  }
});

const get = (version: string) => `GET / HTTP/${version}\r\nHost: x\r\n\r\n`;
const ok: HttpAnswer = { status: 200, headers: {}, body: Buffer.from("answer") };

/** One request whose answer waits for the test. */
async function ask(text: string) {
  const asked = Promise.withResolvers<HttpRequest>();
  const answer = Promise.withResolvers<HttpAnswer>();
  const left = Promise.withResolvers<void>();
  const listener = listenHttp1({
    host,
    port: 0,
    log: silentLogger,
    handle: (request) => {
      request.signal.addEventListener("abort", () => left.resolve());
      asked.resolve(request);
      return answer.promise;
    },
  });
  closers.push(() => listener.close(0));
  const client = connect({ port: listener.port, host, allowHalfOpen: true });
  client.on("error", () => undefined);
  client.write(text);
  await asked.promise;
  return { client, answer, left: left.promise };
}

/** Everything that comes until the server closes, or until it holds. */
function received(client: Socket, holds = (_: string) => false): Promise<string> {
  return new Promise((resolve) => {
    let seen = "";
    client.on("data", (bytes) => {
      seen += bytes.toString("latin1");
      if (holds(seen)) {
        resolve(seen);
      }
    });
    client.on("end", () => resolve(seen));
  });
}

describe("a client that has sent its last byte", () => {
  test("gets its answer, and the connection is closed behind it", async () => {
    for (const version of ["1.1", "1.0"]) {
      const { client, answer } = await ask(get(version));
      const all = received(client);
      client.end();
      await Bun.sleep(10);
      answer.resolve(ok);
      const seen = await all;
      expect(seen).toStartWith("HTTP/1.1 200 OK\r\n");
      expect(seen).toContain("connection: close\r\n");
      expect(seen).toEndWith("answer");
    }
  });

  test("is sent an interim response where the answer takes its time, and gets a whole stream", async () => {
    const { client, answer } = await ask(get("1.1"));
    const interim = received(client, (seen) => seen.includes("100 Continue\r\n\r\n"));
    client.end();
    expect(await interim).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    const begun = Promise.withResolvers<BodySink>();
    const all = received(client);
    answer.resolve({ status: 200, headers: {}, body: (sink) => begun.resolve(sink) });
    const sink = await begun.promise;
    for (const text of ["one", "two"]) {
      sink.write(Buffer.from(text));
      sink.flush();
    }
    sink.end();
    expect(await all).toEndWith("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
  });

  test("gets the answers to all that it has asked", async () => {
    const { client, answer } = await ask(`${get("1.1")}${get("1.1")}`);
    const all = received(client);
    client.end();
    await Bun.sleep(10);
    answer.resolve(ok);
    const seen = await all;
    expect(seen.split("HTTP/1.1 200 OK\r\n").length).toBe(3);
    expect(seen.split("connection: close\r\n").length).toBe(2);
  });

  test("is told of when it has left altogether, whatever it speaks", async () => {
    for (const version of ["1.1", "1.0"]) {
      const { client, left } = await ask(get(version));
      client.destroy();
      await left;
    }
  });

  test("in the middle of its body, or once a stream flows, has left", async () => {
    const cut = await ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
    cut.client.end();
    await cut.left;
    const { client, answer, left } = await ask(get("1.1"));
    answer.resolve({ status: 200, headers: {}, body: (sink) => sink.flush() });
    await received(client, (seen) => seen.endsWith("\r\n\r\n"));
    client.end();
    await left;
  });
});

/** More than a client that reads nothing takes, and less than the system holds for it. */
const large: HttpAnswer = { status: 200, headers: {}, body: Buffer.alloc(3_000_000, "x") };

/** Reads on to the end; rejects where the connection breaks. */
function restOf(client: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = "";
    client.on("data", (bytes) => {
      seen += bytes.toString("latin1");
    });
    client.on("end", () => {
      client.end();
      resolve(seen);
    });
    client.on("error", reject);
    client.on("close", () => reject(new Error("closed before its end")));
    client.resume();
  });
}

describe("a client that reads slowly", () => {
  const leave: Record<string, (client: Socket, close: () => void) => void> = {
    "it has closed its side": (client) => client.end(),
    "the server closes": (_, close) => close(),
  };
  for (const [how, act] of Object.entries(leave)) {
    test(`gets the rest of its answer though ${how}`, async () => {
      const listener = listenHttp1({ host, port: 0, log: silentLogger, handle: async () => large });
      closers.push(() => listener.close(0));
      const client = connect({ port: listener.port, host, allowHalfOpen: true });
      client.pause();
      client.write(get("1.1"));
      await Bun.sleep(50);
      act(client, () => void listener.close(5000));
      await Bun.sleep(20);
      const seen = await restOf(client);
      expect(seen.length).toBeGreaterThan(3_000_000);
    });
  }

  test("gets a refusal though it has sent more by then than is read of it", async () => {
    const { client, answer } = await ask(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40000000\r\n\r\n",
    );
    client.pause();
    answer.resolve({ status: 413, headers: {}, body: Buffer.from("too much") });
    await new Promise((resolve) => {
      client.on("close", resolve);
      client.write(Buffer.alloc(40_000_000), resolve);
    });
    expect(await restOf(client)).toEndWith("too much");
  });
});
