import { quantileOf } from "../../report/statistics.ts";
import { machineNowUs } from "../clock.ts";
import { setPlan } from "../upstream/plan.ts";
import { chatBody, chatRequest } from "./chat-body.ts";
import type { StreamsOrder, StreamsResult } from "./order.ts";
import { openStreamConnection, type StreamConnection } from "./stream-connection.ts";
import { watchUsage } from "./usage.ts";

/** How much longer than its length a stream may take before it counts as unfinished. */
const drainMs = 3_000;
/** Connections opened before the first stream begins, beyond one for each. */
const spareConnections = 16;

/** Samples of the measured window. */
interface Samples {
  readonly ttftUs: number[];
  readonly relayUs: number[];
  readonly jitterUs: number[];
  isMeasuring: boolean;
}

/** Drives streams that begin on a schedule, whether or not earlier ones have ended. */
export async function runStreams(order: StreamsOrder): Promise<StreamsResult> {
  const { streams, tokens, intervalMs, durationMs } = order;
  await setPlan(order.mockUrl, { kind: "stream", firstMs: 0, tokens, intervalMs });
  const { hostname, port } = new URL(order.url);
  const request = chatRequest(order, chatBody(order.bodyBytes, { stream: true }));
  const connections: StreamConnection[] = [];
  const open = async () => {
    const connection = await openStreamConnection(hostname, Number(port), request);
    connections.push(connection);
    return connection;
  };
  const idle = await Promise.all(Array.from({ length: streams + spareConnections }, open));
  const samples: Samples = { ttftUs: [], relayUs: [], jitterUs: [], isMeasuring: false };
  const streamMs = tokens * intervalMs;
  let begun = 0;
  let finished = 0;
  let failures = 0;
  let firstFault: string | undefined;
  const onEnd = (connection: StreamConnection, fault?: string) => {
    if (fault === undefined) finished += 1;
    else {
      failures += 1;
      firstFault ??= fault;
    }
    idle.push(connection);
  };
  const begin = async () => {
    let connection = idle.pop();
    while (connection !== undefined && !connection.isFree()) connection = idle.pop();
    const free = connection ?? (await open());
    free.start(listenerOf(samples, tokens, (fault) => onEnd(free, fault)));
  };
  const startUs = machineNowUs();
  const beginUntil = async (endMs: number) => {
    for (;;) {
      const elapsedMs = (machineNowUs() - startUs) / 1000;
      if (elapsedMs >= endMs) return;
      const due = Math.floor((elapsedMs / streamMs) * streams) + 1;
      for (; begun < due; begun++) await begin();
      await Bun.sleep(1);
    }
  };
  await beginUntil(streamMs);
  const endWatch = watchUsage(order);
  samples.isMeasuring = true;
  await beginUntil(streamMs + durationMs);
  samples.isMeasuring = false;
  const usage = endWatch();
  const deadlineUs = machineNowUs() + (streamMs + drainMs) * 1000;
  while (finished + failures < begun && machineNowUs() < deadlineUs) await Bun.sleep(5);
  if (firstFault !== undefined) process.stderr.write(`a stream failed: ${firstFault}\n`);
  const result = {
    ...summaryOf(samples, usage.wallMs),
    streams: finished,
    failures,
    unfinished: begun - finished - failures,
    offeredTokensPerSecond: (streams * 1000) / intervalMs,
    usage,
  };
  // After the counting: what breaks by leaving is no failure.
  for (const connection of connections) connection.leave();
  return result;
}

/** Counts the tokens of one stream and holds them against their order and their number. */
function listenerOf(samples: Samples, tokens: number, onEnd: (fault?: string) => void) {
  const sentUs = machineNowUs();
  let expected = 0;
  let lastUs = 0;
  let lastMadeUs = 0;
  let fault: string | undefined;
  return {
    onToken(number: number, madeUs: number, nowUs: number) {
      if (number !== expected) fault ??= `token ${number} came where ${expected} was expected`;
      expected += 1;
      if (samples.isMeasuring) {
        samples.relayUs.push(nowUs - madeUs);
        if (number === 0) samples.ttftUs.push(nowUs - sentUs);
        else samples.jitterUs.push(Math.abs(nowUs - lastUs - (madeUs - lastMadeUs)));
      }
      lastUs = nowUs;
      lastMadeUs = madeUs;
    },
    onEnd(broken?: string) {
      if (broken === undefined && expected !== tokens) {
        fault ??= `${expected} of ${tokens} tokens came`;
      }
      onEnd(broken ?? fault);
    },
  };
}

function summaryOf(samples: Samples, wallMs: number) {
  const sorted = (values: number[]) => values.sort((left, right) => left - right);
  const ttftUs = sorted(samples.ttftUs);
  const relayUs = sorted(samples.relayUs);
  const jitterUs = sorted(samples.jitterUs);
  return {
    tokens: relayUs.length,
    tokensPerSecond: relayUs.length / (wallMs / 1000),
    ttftP50Us: quantileOf(ttftUs, 0.5),
    ttftP99Us: quantileOf(ttftUs, 0.99),
    relayP50Us: quantileOf(relayUs, 0.5),
    relayP99Us: quantileOf(relayUs, 0.99),
    jitterP50Us: quantileOf(jitterUs, 0.5),
    jitterP99Us: quantileOf(jitterUs, 0.99),
  };
}
