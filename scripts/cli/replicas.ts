import { durationMs } from "@bufbuild/protobuf/wkt";
import { type Client, createClient } from "@connectrpc/connect";
import { Lane } from "@warmpath/proto/common";
import { InferenceService, type Replica, type WaitingLine } from "@warmpath/proto/inference";
import { createServiceTransport } from "@warmpath/runtime";
import type { Command } from "commander";
import { type ConnectionFlags, grpcUrl, resolveKey, withConnection } from "./connection.ts";
import { candidateText, receiptsText } from "./print-receipts.ts";

type ReplicasFlags = ConnectionFlags & {
  readonly proxyUrl?: string;
  readonly why?: string;
  readonly drain?: string;
  readonly resume?: string;
};

/** Longest id that is looked for, as in the contract; what is longer is a text. */
const idBytesMax = 512;

/** Adds `replicas`: what the inference proxy knows of its upstreams at this moment. */
export function addReplicasCommand(program: Command): void {
  withConnection(program.command("replicas"))
    .description("list the replicas with their health and load")
    .option(
      "--proxy-url <url>",
      "gRPC address of the inference proxy (WARMPATH_INFERENCE_URL; default: the block's)",
    )
    .option(
      "--why <id or text>",
      "say where a request or session went, by its id, or where a request with this text would go",
    )
    .option("--drain <name>", "send this replica nothing new; what runs there ends")
    .option("--resume <name>", "let a drained replica take requests again")
    .action(async (flags: ReplicasFlags) => {
      const transport = createServiceTransport({ url: proxyUrl(flags) });
      const client = createClient(InferenceService, transport);
      const headers = { authorization: `Bearer ${resolveKey(flags)}` };
      if (flags.drain !== undefined) {
        await client.drainReplica({ replica: flags.drain }, { headers });
      }
      if (flags.resume !== undefined) {
        await client.resumeReplica({ replica: flags.resume }, { headers });
      }
      const { replicas, lines } = await client.listReplicas({}, { headers });
      process.stdout.write(table(columns, replicas));
      if (lines.length > 0) {
        process.stdout.write(`\n${table(lineColumns, lines)}`);
      }
      if (flags.why !== undefined) {
        const isId = Buffer.byteLength(flags.why) <= idBytesMax;
        const { receipts } = isId
          ? await client.explainRequests({ id: flags.why }, { headers })
          : { receipts: [] };
        process.stdout.write(`\n${receiptsText(receipts)}`);
        if (receipts.length === 0) {
          process.stdout.write(await routeText(client, flags.why, headers));
        }
      }
      transport.close();
    });
}

/** Where a request with this text would go. */
async function routeText(
  client: Client<typeof InferenceService>,
  text: string,
  headers: Record<string, string>,
): Promise<string> {
  const parts = [{ kind: { case: "text" as const, value: text } }];
  const route = await client.explainRoute({ messages: [{ role: 2, parts }] }, { headers });
  const lines = route.candidates.map((candidate) => `  ${candidateText(candidate)}\n`);
  return `${route.replica || "nowhere"}: ${route.reason}\n${lines.join("")}`;
}

function proxyUrl({ port, proxyUrl: url }: ConnectionFlags & { proxyUrl?: string }): string {
  const given = port === undefined ? { url } : { url, port };
  return grpcUrl(given, "inference-proxy", "WARMPATH_INFERENCE_URL");
}

function knowledge({ cacheKnowledge, cacheDoubts, cachedBlocks }: Replica): string {
  if (cacheDoubts.length > 0)
    return `${cacheKnowledge} (events in doubt: ${cacheDoubts.join(", ")})`;
  return cachedBlocks === undefined ? cacheKnowledge : `${cacheKnowledge}: ${cachedBlocks} blocks`;
}

type Column<T> = readonly [heading: string, cell: (each: T) => string];

const columns: readonly Column<Replica>[] = [
  ["name", (each) => each.name],
  ["url", (each) => each.url],
  ["state", stateOf],
  ["in flight", (each) => String(each.inFlight)],
  ["running", (each) => each.engineRunning?.toString() ?? "–"],
  ["waiting", (each) => each.engineWaiting?.toString() ?? "–"],
  [
    "kv cache",
    (each) => (each.kvCacheUsage === undefined ? "–" : `${Math.round(each.kvCacheUsage * 100)} %`),
  ],
  ["cache known by", knowledge],
  ["engine", (each) => `${each.engine}${each.simulated ? " (simulated)" : ""}`],
  ["models", (each) => each.models.join(", ")],
];

const lineColumns: readonly Column<WaitingLine>[] = [
  ["waiting for", (each) => each.model],
  ["lane", (each) => Lane[each.lane].toLowerCase()],
  ["requests", (each) => String(each.waiting)],
  ["places/s", (each) => each.placesPerSecond.toFixed(1)],
  [
    "wait from now",
    ({ estimate }) => (estimate === undefined ? "–" : `${durationMs(estimate) / 1000} s`),
  ],
];

function stateOf({ healthy, unhealthyReason, draining, breakers }: Replica): string {
  const parts = [
    ...(draining ? ["draining"] : []),
    ...(healthy ? [] : [`unhealthy: ${unhealthyReason}`]),
    ...breakers.map(
      ({ model, state, reason }) =>
        `${state}${model === "" ? "" : ` for ${model}`}${reason === "" ? "" : `: ${reason}`}`,
    ),
  ];
  return parts.length === 0 ? "healthy" : parts.join("; ");
}

function table<T>(shown: readonly Column<T>[], list: readonly T[]): string {
  const rows = [
    shown.map(([heading]) => heading),
    ...list.map((each) => shown.map(([, cell]) => cell(each))),
  ];
  const widths = shown.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, index) => cell.padEnd(widths[index] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
