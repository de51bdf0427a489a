import { quantileOf } from "../../report/statistics.ts";
import { machineNowUs } from "../clock.ts";
import { setPlan, wholeAtOnce } from "../upstream/plan.ts";
import { chatBody, chatRequest } from "./chat-body.ts";
import { type HttpConnection, openConnection } from "./http-connection.ts";
import type { ClosedOrder, OpenOrder, RequestsResult } from "./order.ts";
import { watchUsage } from "./usage.ts";

/** How long answers may still come after the last request was due. */
const drainMs = 5_000;
/** Connections of an open loop; what finds none free waits for one, and the wait is counted. */
const openConnectionsMax = 256;

/** Drives whole answers, first unmeasured, then measured. */
export async function runRequests(order: ClosedOrder | OpenOrder): Promise<RequestsResult> {
  await setPlan(order.mockUrl, wholeAtOnce);
  const { hostname, port } = new URL(order.url);
  const request = chatRequest(order, chatBody(order.bodyBytes, { stream: false }));
  const count = order.kind === "closed" ? order.connections : openConnectionsMax;
  const open = () => openConnection(hostname, Number(port), request);
  // Fresh connections for each pass: an answer that the warm-up still waits for is not taken for
  // one of the measured requests.
  const drive = async (durationMs: number): Promise<RequestsResult> => {
    const connections = await Promise.all(Array.from({ length: count }, open));
    const endWatch = watchUsage(order);
    const tally =
      order.kind === "closed"
        ? await closedLoop(connections, durationMs)
        : await openLoop({ connections, open }, order.ratePerSecond, durationMs);
    const usage = endWatch();
    // Before the connections are closed: what breaks by that is no failure.
    const result = resultOf(tally, usage.wallMs);
    for (const connection of connections) connection.close();
    return { ...result, usage };
  };
  await drive(order.warmupMs);
  return drive(order.durationMs);
}

interface Tally {
  readonly samplesUs: number[];
  failures: number;
  unfinished: number;
}

/** Every connection sends again as soon as it has its answer: how many a second are possible. */
async function closedLoop(
  connections: readonly HttpConnection[],
  durationMs: number,
): Promise<Tally> {
  const tally: Tally = { samplesUs: [], failures: 0, unfinished: 0 };
  const { promise, resolve } = Promise.withResolvers<void>();
  const endUs = machineNowUs() + durationMs * 1000;
  let active = connections.length;
  const leave = () => {
    active -= 1;
    if (active === 0) resolve();
  };
  const turn = (connection: HttpConnection) => {
    const sentUs = machineNowUs();
    if (sentUs >= endUs) {
      leave();
      return;
    }
    connection.send((status) => {
      if (status === 200) tally.samplesUs.push(machineNowUs() - sentUs);
      else tally.failures += 1;
      // A broken connection stays out, or it would fail as fast as it can.
      if (status === 0) leave();
      else turn(connection);
    });
  };
  for (const connection of connections) turn(connection);
  const deadline = setTimeout(resolve, durationMs + drainMs);
  await promise;
  clearTimeout(deadline);
  tally.unfinished = active;
  return tally;
}

/** Requests begin on a schedule: what one costs at a rate that leaves the contender room. */
async function openLoop(
  pool: {
    readonly connections: HttpConnection[];
    readonly open: () => Promise<HttpConnection>;
  },
  ratePerSecond: number,
  durationMs: number,
): Promise<Tally> {
  const tally: Tally = { samplesUs: [], failures: 0, unfinished: 0 };
  const idle = [...pool.connections];
  const waitingSinceUs: number[] = [];
  const startUs = machineNowUs();
  const total = Math.max(1, Math.floor((durationMs / 1000) * ratePerSecond));
  let started = 0;
  const send = (connection: HttpConnection, dueUs: number) => {
    connection.send((status) => {
      if (status === 200) tally.samplesUs.push(machineNowUs() - dueUs);
      else tally.failures += 1;
      if (status === 0) return;
      const nextDueUs = waitingSinceUs.shift();
      if (nextDueUs === undefined) idle.push(connection);
      else send(connection, nextDueUs);
    });
  };
  // One that was idle for long may have been closed: that is no failure, another takes its place.
  const replace = async (dueUs: number) => {
    const connection = await pool.open();
    pool.connections.push(connection);
    send(connection, dueUs);
  };
  const ended = () => tally.samplesUs.length + tally.failures;
  while (started < total) {
    const nowUs = machineNowUs();
    const due = Math.min(total, Math.ceil(((nowUs - startUs) / 1e6) * ratePerSecond));
    for (; started < due; started++) {
      const connection = idle.pop();
      if (connection === undefined) waitingSinceUs.push(nowUs);
      else if (connection.isOpen()) send(connection, nowUs);
      else await replace(nowUs);
    }
    await Bun.sleep(1);
  }
  const deadlineUs = machineNowUs() + drainMs * 1000;
  while (ended() < total && machineNowUs() < deadlineUs) await Bun.sleep(1);
  waitingSinceUs.length = 0;
  tally.unfinished = total - ended();
  return tally;
}

function resultOf(tally: Tally, wallMs: number): Omit<RequestsResult, "usage"> {
  const { samplesUs, failures, unfinished } = tally;
  samplesUs.sort((left, right) => left - right);
  return {
    requests: samplesUs.length,
    failures,
    unfinished,
    requestsPerSecond: samplesUs.length / (wallMs / 1000),
    p50Us: quantileOf(samplesUs, 0.5),
    p90Us: quantileOf(samplesUs, 0.9),
    p99Us: quantileOf(samplesUs, 0.99),
  };
}
