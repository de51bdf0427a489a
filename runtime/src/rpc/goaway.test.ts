import { afterEach, expect, test } from "bun:test";
import { type ClientHttp2Session, connect } from "node:http2";
import { silentLogger, systemClock } from "../base/index.ts";
import { createHealth } from "../health.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { tracingOff } from "../telemetry/tracing.ts";
import { createTestSigner } from "../testing/test-signer.ts";
import { listenGrpc } from "./listen-grpc.ts";
import { listenHttp } from "./listen-http.ts";
import { createRpcServer } from "./server.ts";

// Goal: a process that stops tells its clients to go elsewhere (GOAWAY), and lets a stream that is
// open end by itself. Method: a stream over HTTP/2 on either listener, ended after the GOAWAY.

const host = "127.0.0.1";
let session: ClientHttp2Session | undefined;

afterEach(() => session?.destroy());

/** Both listeners, each with a stream that says something and then lasts until `end`. */
const ways = {
  gRPC: async () => {
    const servers = createRpcServer({
      service: "test",
      routes: () => undefined,
      signer: createTestSigner(),
      metrics: createMetrics("test"),
      tracing: tracingOff,
      log: silentLogger,
      clock: systemClock,
      health: createHealth({ clock: systemClock }),
    });
    const listener = await listenGrpc({ host, port: 0, servers, log: silentLogger });
    // Health's Watch lasts as long as its caller.
    return { listener, end: () => undefined };
  },
  "HTTP/2": async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const said = () =>
      new ReadableStream<string>({
        start: async (controller) => {
          controller.enqueue("a token");
          await promise;
          controller.enqueue("the last one");
          controller.close();
        },
      });
    const handle = () => new Response(said().pipeThrough(new TextEncoderStream()));
    const listener = await listenHttp({ host, port: 0, handle, log: silentLogger });
    return { listener, end: resolve };
  },
};

for (const [name, start] of Object.entries(ways)) {
  test(`a ${name} listener that closes says GOAWAY, and its open stream goes on`, async () => {
    const { listener, end } = await start();
    session = connect(`http://${host}:${listener.port}`);
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Watch",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.end(Buffer.alloc(5));
    stream.on("error", () => undefined);
    await new Promise<void>((resolve) => stream.once("data", () => resolve()));
    let isClosed = false;
    const toldToGo = new Promise<void>((resolve) => session?.once("goaway", () => resolve()));
    const closing = listener.close(60_000).then(() => {
      isClosed = true;
    });
    await toldToGo;
    expect([isClosed, stream.closed]).toEqual([false, false]);
    const rest = new Promise<void>((resolve) => stream.once("close", () => resolve()));
    end();
    if (name === "gRPC") stream.close();
    await Promise.all([rest, closing]);
  });
}
