/** Workloads by name, and any trace of the Mooncake format. */
import { agentWorkload, fullShape, liteShape } from "./agent.ts";
import { batchLiteShape, batchShape, chatShape, chatWorkload } from "./chat.ts";
import { mixOf } from "./mix.ts";
import { llmdShape, ragLiteShape, sharedPrefixWorkload, thrashShape } from "./rag.ts";
import type { Workload } from "./types.ts";

export { type CacheBound, CacheBoundCounter } from "./cache-bound.ts";
export { describeSessions, type WorkloadFacts } from "./describe.ts";
export {
  type KvDemand,
  type KvDemandOptions,
  kvDemandOf,
  kvDemandTokens,
  sessionsForDemand,
} from "./facts/kv-demand.ts";
export { loadTrace, readTrace, TraceFormatError, traceWorkload } from "./mooncake.ts";
export { llmdShape, sharedPrefixWorkload } from "./rag.ts";
export type * from "./types.ts";

/** KV of three 8B replicas on H100: what the cache-thrash workload goes round in. */
const thrashTokens = 1_350_000;

const agentLite = agentWorkload(
  "agent-lite",
  "agents with tools, subagents and pauses at an eighth of TraceLab's sizes",
  liteShape,
);

const chat = chatWorkload(
  "chat",
  "chats of a few turns, the Mooncake conversation trace's lengths divided by eight",
  chatShape,
);

/** All workloads, the lab's default first. */
export const workloads: readonly Workload[] = [
  agentLite,
  agentWorkload("agent", "coding agents at full size, fitted to TraceLab", fullShape),
  chat,
  sharedPrefixWorkload(
    "rag",
    "questions over prefixes that some share: llm-d's experiment of 2025-09",
    llmdShape,
  ),
  sharedPrefixWorkload("rag-lite", "the same at an eighth of the size", ragLiteShape),
  chatWorkload("batch", "long answers that nobody waits for", batchShape),
  chatWorkload("batch-lite", "the same at an eighth of the size", batchLiteShape),
  mixOf("noisy-neighbour", "chats of one tenant beside ten times as many agents of another", [
    { name: "quiet", tenant: "quiet", workload: chat },
    {
      name: "noisy",
      tenant: "noisy",
      workload: agentWorkload("noisy-agents", "", {
        ...liteShape,
        arrivals: {
          ...liteShape.arrivals,
          sessionsPerSecond: 10 * chatShape.arrivals.sessionsPerSecond,
        },
      }),
    },
  ]),
  agentWorkload("burst", "agent-lite, ten times as many arrivals for 30 s of every 5 min", {
    ...liteShape,
    arrivals: { ...liteShape.arrivals, burst: { factor: 10, everyMs: 300_000, forMs: 30_000 } },
  }),
  sharedPrefixWorkload(
    "cache-thrash",
    "long prefixes asked for round and round, more than three replicas hold",
    thrashShape(thrashTokens),
  ),
];

/** The workload of a name; an unknown one is an error that lists those there are. */
export function workloadOf(name: string): Workload {
  const found = workloads.find((workload) => workload.name === name);
  if (found !== undefined) return found;
  const names = workloads.map((workload) => workload.name).join(", ");
  throw new Error(`no workload is called "${name}": ${names}, or a trace file`);
}
