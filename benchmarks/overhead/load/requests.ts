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
  const connections = await Promise.all(
    Array.from({ length: count }, () => openConnection(hostname, Number(port), request)),
  );
  const drive = (durationMs: number) =>
    order.kind === "closed"
      ? closedLoop(connections, durationMs)
      : openLoop(connections, order.ratePerSecond, durationMs);
  await drive(order.warmupMs);
  const endWatch = watchUsage(order);
  const tally = await drive(order.durationMs);
  const usage = endWatch();
  for (const connection of connections) connection.close();
  return { ...resultOf(tally, usage.wallMs), usage };
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
  connections: readonly HttpConnection[],
  ratePerSecond: number,
  durationMs: number,
): Promise<Tally> {
  const tally: Tally = { samplesUs: [], failures: 0, unfinished: 0 };
  const idle = [...connections];
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
  const ended = () => tally.samplesUs.length + tally.failures;
  while (started < total) {
    const nowUs = machineNowUs();
    const due = Math.min(total, Math.ceil(((nowUs - startUs) / 1e6) * ratePerSecond));
    for (; started < due; started++) {
      const connection = idle.pop();
      if (connection === undefined) waitingSinceUs.push(nowUs);
      else send(connection, nowUs);
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
