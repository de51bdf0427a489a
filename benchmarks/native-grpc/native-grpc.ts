import { create, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { GenerateRequestSchema } from "@warmpath/proto/inference";
import { userMessage } from "@warmpath/runtime";
import { machineFacts } from "../report/machine.ts";
import type { BenchReport, Figure } from "../report/report.ts";
import { medianOf, spreadOf } from "../report/statistics.ts";
import { formatNumber, formatTable } from "../report/table.ts";
import { spawnProcess } from "../system/spawn-process.ts";
import { streamMessages } from "./server.ts";

/** How much to measure. */
export interface NativeGrpcPlan {
  readonly rounds: number;
  readonly inFlight: number;
  readonly durationMs: number;
}

/** The sizes that figures are quoted from. */
export const fullPlan: NativeGrpcPlan = { rounds: 6, inFlight: 16, durationMs: 3_000 };

/** A short look; its figures are too noisy to quote. */
export const quickPlan: NativeGrpcPlan = { ...fullPlan, rounds: 2, durationMs: 1_000 };

/** Enough to see that nothing is broken. */
export const tinyPlan: NativeGrpcPlan = { rounds: 1, inFlight: 2, durationMs: 100 };

const contenders = ["runtime", "connect-node"] as const;
type Contender = (typeof contenders)[number];

interface Round {
  readonly contender: Contender;
  readonly callsPerSecond: number;
  readonly messagesPerSecond: number;
}

/** A start is an import of grpc-js; a busy machine gets time. */
const serverReadyMs = 30_000;

const serverScript = new URL("./server.ts", import.meta.url).pathname;
const service = "/warmpath.inference.v1.InferenceService";
const emptyRequest = Buffer.alloc(0);
const generateRequest = Buffer.from(
  toBinary(
    GenerateRequestSchema,
    create(GenerateRequestSchema, { messages: [userMessage("hello")] }),
  ),
);

/**
 * Runs the bench: native gRPC through our adapter over grpc-js, against connect-node on node:http2.
 */
export async function runNativeGrpc(
  plan: NativeGrpcPlan,
  { onProgress }: { readonly onProgress: (text: string) => void },
): Promise<BenchReport> {
  const rounds: Round[] = [];
  for (let index = 0; index < plan.rounds; index += 1) {
    const order = index % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      onProgress(`native-grpc: round ${index + 1} of ${plan.rounds}, ${contender}`);
      rounds.push(await measure(contender, plan));
    }
  }
  return {
    bench: "native-grpc",
    question: "which server answers native gRPC faster on Bun?",
    machine: machineFacts(),
    parameters: { ...plan, streamMessages },
    rounds,
    figures: figuresOf(rounds),
    table: tableOf(rounds),
    measured:
      `unary calls and messages of ${streamMessages}-message server streams, ${plan.inFlight} in flight, by one grpc-js client in a ` +
      `process of its own; medians of ${plan.rounds} round(s), the order turned around each round, every server fresh. Ours validates, ` +
      "counts and words errors around each call; connect-node runs bare.",
    notMeasured: "latency, TLS, other call kinds, other clients, large messages.",
    absent: [],
  };
}

async function measure(contender: Contender, plan: NativeGrpcPlan): Promise<Round> {
  const server = await spawnProcess({
    command: [process.execPath, serverScript, contender],
    readyMs: serverReadyMs,
  });
  const client = new Client(`127.0.0.1:${server.firstLine}`, credentials.createInsecure());
  try {
    await countFor(plan.durationMs / 4, plan.inFlight, () => callOnce(client));
    const calls = await countFor(plan.durationMs, plan.inFlight, () => callOnce(client));
    const messages = await countFor(plan.durationMs, plan.inFlight, () => streamOnce(client));
    return { contender, callsPerSecond: calls, messagesPerSecond: messages };
  } finally {
    client.close();
    await server.stop();
  }
}

/** Keeps `inFlight` pieces of work going for a while; returns how many units they did a second. */
async function countFor(
  durationMs: number,
  inFlight: number,
  work: () => Promise<number>,
): Promise<number> {
  const startedMs = performance.now();
  let units = 0;
  const worker = async () => {
    while (performance.now() - startedMs < durationMs) {
      // In two steps: `+=` would read `units` before the wait and forget what others added.
      const done = await work();
      units += done;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return (units * 1000) / (performance.now() - startedMs);
}

const asIs = (bytes: Buffer) => bytes;

function callOnce(client: Client): Promise<number> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(`${service}/ListModels`, asIs, asIs, emptyRequest, (error) =>
      error === null ? resolve(1) : reject(error),
    );
  });
}

function streamOnce(client: Client): Promise<number> {
  return new Promise((resolve, reject) => {
    let messages = 0;
    client
      .makeServerStreamRequest(`${service}/Generate`, asIs, asIs, generateRequest)
      .on("data", () => {
        messages += 1;
      })
      .on("error", reject)
      .on("end", () => resolve(messages));
  });
}

function valuesOf(rounds: readonly Round[], contender: Contender, key: keyof Round): number[] {
  return rounds.filter((round) => round.contender === contender).map((round) => Number(round[key]));
}

const kinds = [
  ["callsPerSecond", "unary calls/s"],
  ["messagesPerSecond", "streamed messages/s"],
] as const;

function figuresOf(rounds: readonly Round[]): Figure[] {
  return kinds.flatMap(([key]) => [
    ...contenders.map((contender) => ({
      name: `native-grpc.${contender}.${key}`,
      value: medianOf(valuesOf(rounds, contender, key)),
      unit: "1/s",
    })),
    { name: `native-grpc.ratio.${key}`, value: ratioOf(rounds, key), unit: "×" },
  ]);
}

function ratioOf(rounds: readonly Round[], key: keyof Round): number {
  const [ours, theirs] = contenders.map((contender) => medianOf(valuesOf(rounds, contender, key)));
  return (ours ?? 0) / (theirs ?? 1);
}

function tableOf(rounds: readonly Round[]): string {
  const header = ["", "runtime (grpc-js)", "connect-node", "ratio", "spread"];
  return formatTable(
    header,
    kinds.map(([key, title]) => [
      title,
      ...contenders.map((contender) => formatNumber(medianOf(valuesOf(rounds, contender, key)))),
      formatNumber(ratioOf(rounds, key), 2),
      contenders
        .map((contender) => `${formatNumber(spreadOf(valuesOf(rounds, contender, key)) * 100)} %`)
        .join(" / "),
    ]),
  );
}
