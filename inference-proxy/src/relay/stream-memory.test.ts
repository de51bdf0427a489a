import { heapStats } from "bun:jsc";
import { afterEach, expect, test } from "bun:test";
import { chunk, startTestProxy, type TestProxy, testKey } from "../testing/index.ts";

/*
 * Goal: an open stream does not hold the body that it was asked with. Method: an engine that keeps
 * nothing answers every request with one event and no end; memory is counted while all are open.
 */

const streams = 24;
const bodyBytes = 1_000_000;

let proxy: TestProxy;
let engine: { stop(): void };

afterEach(async () => {
  await proxy.close();
  engine.stop();
});

const firstEvent = chunk({ content: "x" });
const streamHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const models = JSON.stringify({ data: [{ id: "tiny", max_model_len: 1_000_000 }] });

/** Answers lists of models at once, and calls once their bodies are there, of which it keeps none. */
function startForgetfulEngine() {
  const listener = Bun.listen<{ leftBytes: number }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => {
        socket.data = { leftBytes: 0 };
      },
      data: (socket, bytes) => {
        const headEnd = bytes.indexOf("\r\n\r\n");
        const isGet = socket.data.leftBytes === 0 && bytes.toString("latin1", 0, 4) === "GET ";
        if (isGet) {
          const length = `content-length: ${models.length}\r\n`;
          socket.end(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${length}\r\n${models}`);
          return;
        }
        if (socket.data.leftBytes === 0) {
          const head = bytes.toString("latin1", 0, headEnd);
          const length = Number(/content-length: (\d+)/.exec(head)?.[1]);
          socket.data.leftBytes = length - (bytes.length - headEnd - 4);
        } else {
          socket.data.leftBytes -= bytes.length;
        }
        if (socket.data.leftBytes === 0) {
          socket.write(`${streamHead}${firstEvent}`);
        }
      },
    },
  });
  return { url: `http://127.0.0.1:${listener.port}`, stop: () => listener.stop(true) };
}

function externalBytes(): number {
  Bun.gc(true);
  return heapStats().extraMemorySize;
}

test("an open stream does not hold the body that it was asked with", async () => {
  const started = startForgetfulEngine();
  engine = started;
  proxy = await startTestProxy([started], { sessionBodyBytesMax: 0 });
  const content = "y".repeat(bodyBytes);
  const body = JSON.stringify({
    model: "tiny",
    stream: true,
    messages: [{ role: "user", content }],
  });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${testKey}\r\n`;
  const request = Buffer.from(`${head}content-length: ${body.length}\r\n\r\n${body}`);
  const open = () => {
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    let writtenBytes = 0;
    const write = (socket: Bun.Socket) => {
      writtenBytes += Math.max(0, socket.write(request, writtenBytes));
    };
    Bun.connect({
      hostname: "127.0.0.1",
      port: Number(new URL(proxy.url).port),
      socket: {
        open: write,
        drain: write,
        data: (socket, bytes) => {
          if (bytes.includes('"x"')) {
            resolve(() => socket.terminate());
          }
        },
        error: (_, error) => reject(error),
        close: () => reject(new Error("the proxy closed the stream")),
      },
    }).catch(reject);
    return promise;
  };
  // The first one pays for what is made once.
  const leaves = [await open()];
  const beforeBytes = externalBytes();
  for (let count = 0; count < streams; count += 1) {
    leaves.push(await open());
  }
  const heldBytes = externalBytes() - beforeBytes;
  for (const leave of leaves) {
    leave();
  }
  expect(heldBytes).toBeLessThan((streams * bodyBytes) / 4);
}, 20_000);
