import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { silentLogger } from "../base/index.ts";
import { type BodyBudget, createBodyBudget, type HttpRequest, listenHttp1 } from "./index.ts";

/*
 * Goal: many connections that send their bodies slowly hold no more together than they may. Method:
 * bodies that stop half-way; what the budget counts is looked at after each way out.
 */

const host = "127.0.0.1";
const closers: (() => Promise<void>)[] = [];
const clients: Socket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) {
    client.destroy();
  }
  for (const close of closers.splice(0)) {
    await close();
  }
});

async function serve(bytesMax: number): Promise<{ port: number; bodies: BodyBudget }> {
  const bodies = createBodyBudget(bytesMax);
  const handle = async (request: Pick<HttpRequest, "readBody">) =>
    new Response(String((await request.readBody(1 << 20)).length));
  const listener = listenHttp1({ host, port: 0, log: silentLogger, handle, bodies });
  closers.push(() => listener.close(0));
  return { port: listener.port, bodies };
}

function send(port: number, head: string, sent: number): Socket {
  const client = connect(port, host);
  client.on("error", () => undefined);
  clients.push(client);
  client.write(`POST / HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`);
  client.write("x".repeat(sent));
  return client;
}

const firstLine = (client: Socket) =>
  new Promise<string>((resolve) => {
    client.once("data", (bytes) => resolve(bytes.toString().split("\r\n\r\n")[0] ?? ""));
  });

async function eventually(holds: () => boolean): Promise<void> {
  for (let round = 0; !holds(); round += 1) {
    if (round === 200) throw new Error("it did not come true within two seconds");
    await Bun.sleep(10);
  }
}

test("who brings more than all may hold together is told to try again; others go on", async () => {
  const { port, bodies } = await serve(100_000);
  const slow = send(port, "Content-Length: 90000", 80_000);
  await eventually(() => bodies.heldBytes === 80_000);
  const refused = await firstLine(send(port, "Content-Length: 50000", 30_000));
  expect(refused).toStartWith("HTTP/1.1 429 ");
  expect(refused.toLowerCase()).toContain("retry-after: 1");
  expect(bodies.heldBytes).toBe(80_000);
  const small = await firstLine(send(port, "Content-Length: 5000", 5000));
  expect(small).toStartWith("HTTP/1.1 200 ");
  slow.write("x".repeat(10_000));
  expect(await firstLine(slow)).toStartWith("HTTP/1.1 200 ");
  expect(bodies.heldBytes).toBe(0);
});

test("one owner's bodies hold half of what all may hold, and leave the rest to others", async () => {
  const bodies = createBodyBudget(100_000);
  const handle = async (request: HttpRequest) =>
    new Response(
      String((await request.readBody(1 << 20, request.headers.get("x-owner") ?? "")).length),
    );
  const listener = listenHttp1({ host, port: 0, log: silentLogger, handle, bodies });
  closers.push(() => listener.close(0));
  const of = (owner: string, length: number, sent: number) =>
    send(listener.port, `X-Owner: ${owner}\r\nContent-Length: ${length}`, sent);
  of("one", 60_000, 45_000);
  await eventually(() => bodies.heldBytes === 45_000);
  expect(await firstLine(of("one", 20_000, 10_000))).toStartWith("HTTP/1.1 429 ");
  expect(await firstLine(of("other", 20_000, 20_000))).toStartWith("HTTP/1.1 200 ");
  expect(bodies.heldBytes).toBe(45_000);
  expect(bodies.isSpentFor("one")).toBe(false);
});

test("nothing stays counted of bodies that are cut, too large, or asked for by nobody", async () => {
  const { port, bodies } = await serve(10 << 20);
  const cut = send(port, "Content-Length: 90000", 1000);
  await eventually(() => bodies.heldBytes === 1000);
  cut.destroy();
  await eventually(() => bodies.heldBytes === 0);
  const large = await firstLine(send(port, "Content-Length: 2000000", 100_000));
  expect(large).toStartWith("HTTP/1.1 413 ");
  await eventually(() => bodies.heldBytes === 0);
});

test("clients that speak HTTP/2 share the bound", async () => {
  const { port, bodies } = await serve(100_000);
  send(port, "Content-Length: 99999", 99_000);
  await eventually(() => bodies.heldBytes === 99_000);
  const { connect: connectHttp2 } = await import("node:http2");
  const session = connectHttp2(`http://${host}:${port}`);
  session.on("error", () => undefined);
  const stream = session.request({ ":method": "POST", ":path": "/" });
  const status = new Promise((resolve) => {
    stream.on("response", (head) => resolve(head[":status"]));
  });
  stream.end("x".repeat(5000));
  expect(await status).toBe(429);
  expect(bodies.heldBytes).toBe(99_000);
  session.destroy();
});
