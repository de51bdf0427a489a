/**
 * Load of one kind for one contender, in a process of its own. Takes a `LoadOrder` as its one
 * argument, prints a
 * `LoadResult` as its last line, ends when its standard input closes.
 */
import { quantileOf } from "../report/statistics.ts";
import { type HttpConnection, openConnection } from "./http-connection.ts";

/** What to send, how, for how long. */
export interface LoadOrder {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodyBytes: number;
  readonly connections: number;
  /**
   * Requests started a second, whether or not earlier ones have ended; 0: as fast as answers come
   * back.
   */
  readonly ratePerSecond: number;
  readonly warmupMs: number;
  readonly durationMs: number;
}

/**
 * What came back. Latency is counted from the write of a request to the last byte of its answer.
 */
export interface LoadResult {
  readonly requests: number;
  /** Requests answered before the measured ones. */
  readonly warmupRequests: number;
  readonly failures: number;
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
}

if (import.meta.main) {
  process.stdin.on("end", () => process.exit(0));
  process.stdin.resume();
  // The order was written by `measure.ts`.
  const order = JSON.parse(process.argv[2] ?? "") as LoadOrder;
  process.stdout.write(`${JSON.stringify(await runLoad(order))}\n`);
  process.exit(0);
}

/** Drives the load, first unmeasured, then measured. */
export async function runLoad(order: LoadOrder): Promise<LoadResult> {
  const { hostname, port } = new URL(order.url);
  const request = requestBytes(order);
  const connections = await Promise.all(
    Array.from({ length: order.connections }, () =>
      openConnection(hostname, Number(port), request),
    ),
  );
  const drive = order.ratePerSecond === 0 ? closedLoop : openLoop;
  const warmup = await drive(connections, order, order.warmupMs);
  const result = await drive(connections, order, order.durationMs);
  for (const connection of connections) connection.close();
  return { ...result, warmupRequests: warmup.requests };
}

/** Every connection sends again as soon as it has its answer: how many a second are possible. */
function closedLoop(
  connections: readonly HttpConnection[],
  _order: LoadOrder,
  durationMs: number,
): Promise<LoadResult> {
  const samples: number[] = [];
  let failures = 0;
  let active = connections.length;
  const startMs = performance.now();
  return new Promise((resolve) => {
    const turn = (connection: HttpConnection) => {
      const sentMs = performance.now();
      if (sentMs - startMs >= durationMs) {
        active -= 1;
        if (active === 0) resolve(resultOf(samples, failures, sentMs - startMs));
        return;
      }
      connection.send((status) => {
        if (status === 200) samples.push((performance.now() - sentMs) * 1000);
        else failures += 1;
        // A broken connection stays out, or it would fail as fast as it can.
        if (status === 0) {
          active -= 1;
          if (active === 0) resolve(resultOf(samples, failures, performance.now() - startMs));
        } else turn(connection);
      });
    };
    for (const connection of connections) turn(connection);
  });
}

/**
 * Requests start on a schedule, each on an idle connection: what one request costs when nobody
 * queues.
 */
async function openLoop(
  connections: readonly HttpConnection[],
  order: LoadOrder,
  durationMs: number,
): Promise<LoadResult> {
  const idle = [...connections];
  const samples: number[] = [];
  let failures = 0;
  let started = 0;
  const startMs = performance.now();
  const total = Math.max(1, Math.floor((durationMs / 1000) * order.ratePerSecond));
  while (started < total) {
    const due = Math.min(total, ((performance.now() - startMs) / 1000) * order.ratePerSecond);
    for (; started < due; started++) {
      const connection = idle.pop();
      if (connection === undefined) {
        // Nobody waits in an open loop: no idle connection means that the contender cannot keep up.
        failures += 1;
        continue;
      }
      const sentMs = performance.now();
      connection.send((status) => {
        if (status === 200) samples.push((performance.now() - sentMs) * 1000);
        else failures += 1;
        if (status !== 0) idle.push(connection);
      });
    }
    await Bun.sleep(1);
  }
  const deadlineMs = performance.now() + 5_000;
  while (samples.length + failures < total && performance.now() < deadlineMs) await Bun.sleep(1);
  failures += total - samples.length - failures;
  return resultOf(samples, failures, performance.now() - startMs);
}

function resultOf(samples: number[], failures: number, elapsedMs: number): LoadResult {
  samples.sort((left, right) => left - right);
  return {
    requests: samples.length,
    warmupRequests: 0,
    failures,
    requestsPerSecond: samples.length / (elapsedMs / 1000),
    p50Us: quantileOf(samples, 0.5),
    p90Us: quantileOf(samples, 0.9),
    p99Us: quantileOf(samples, 0.99),
  };
}

function requestBytes(order: LoadOrder): Uint8Array {
  const { host, pathname } = new URL(order.url);
  const body = chatBody(order.bodyBytes);
  const headers = { ...order.headers, "content-type": "application/json" };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\n${lines.join("")}content-length: ${body.length}\r\n\r\n`;
  return Buffer.from(head + body, "latin1");
}

/** A chat request of exactly so many bytes, most of them in one message. */
function chatBody(bodyBytes: number): string {
  const shell = (text: string) =>
    JSON.stringify({
      model: "mock",
      messages: [
        { role: "system", content: "You are a helpful assistant." },
        { role: "user", content: text },
      ],
      max_tokens: 16,
    });
  const words = "every token of a long prompt has to be read again unless its prefix is warm ";
  const room = Math.max(1, bodyBytes - shell("").length);
  return shell(words.repeat(Math.ceil(room / words.length)).slice(0, room));
}
