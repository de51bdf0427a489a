import { agentWorkload } from "./agent.ts";
import {
  type AgentShape,
  fullShape,
  liteShape,
  scaledAgents,
  withoutCompaction,
} from "./agent-shape.ts";
import type { Arrivals } from "./arrivals.ts";
import {
  batchShape,
  type ChatShape,
  chatWorkload,
  conversationShape,
  scaledChats,
} from "./chat.ts";
import { mixOf } from "./mix.ts";
import {
  llmdShape,
  type SharedPrefixShape,
  scaledPrefixes,
  sharedPrefixWorkload,
  thrashShape,
} from "./rag.ts";
import type { Workload } from "./types.ts";

/** What can be said otherwise of a workload that goes by a name. */
export interface WorkloadOptions {
  /** Sessions that start in a second; of `noisy-neighbour` the quiet ones. Default: its own. */
  readonly sessionsPerSecond?: number;
  /** Multiplies every number of tokens, times and counts stay. Default 1. */
  readonly scale?: number;
  /** Tokens of the prefixes that `cache-thrash` goes round in. Default: three 8B replicas' KV. */
  readonly workingSetTokens?: number;
  /** False: an agent's session ends where its context is full. Default: it is rewritten. */
  readonly compacts?: boolean;
}

interface Entry {
  readonly name: string;
  readonly about: string;
  make(name: string, about: string, options: WorkloadOptions): Workload;
}

/** An eighth of the size: eight simulated 8B replicas are a fleet for it. */
const lite = 1 / 8;
/** KV of three 8B replicas on H100. */
const thrashTokens = 1_350_000;
/** Sessions of the noisy neighbour for each of the quiet one. */
const noisyFactor = 10;

const entries: readonly Entry[] = [
  {
    name: "agent-lite",
    about: "agents with tools, subagents and pauses: TraceLab's sizes divided by eight",
    make: agents(liteShape),
  },
  {
    name: "agent",
    about: "coding agents at full size, fitted to TraceLab (arXiv 2606.30560)",
    make: agents(fullShape),
  },
  {
    name: "chat",
    about: "chats of a few turns, the Mooncake conversation trace's lengths divided by eight",
    make: chats(scaledChats(conversationShape, lite)),
  },
  {
    name: "rag",
    about: "questions over prefixes that some share: llm-d's experiment of 2025-09",
    make: prefixes(() => llmdShape),
  },
  {
    name: "rag-lite",
    about: "the same at an eighth of the size",
    make: prefixes(() => scaledPrefixes(llmdShape, lite)),
  },
  {
    name: "batch",
    about: "long answers that nobody waits for; numbers invented",
    make: chats(batchShape),
  },
  {
    name: "batch-lite",
    about: "the same at an eighth of the size",
    make: chats(scaledChats(batchShape, lite)),
  },
  {
    name: "noisy-neighbour",
    about: "chats of one tenant beside ten times as many agents of another, as chat and agent-lite",
    make: noisyNeighbour,
  },
  {
    name: "burst",
    about: "agent-lite, ten times as many arrivals for 30 s of every 5 min",
    make: agents({
      ...liteShape,
      arrivals: { ...liteShape.arrivals, burst: { factor: 10, everyMs: 300_000, forMs: 30_000 } },
    }),
  },
  {
    name: "cache-thrash",
    about: "prefixes of 4,000 tokens asked for round and round, LRU's worst case",
    make: prefixes(({ workingSetTokens = thrashTokens }) => thrashShape(workingSetTokens)),
  },
];

/** All workloads as they are by themselves, the lab's default first. */
export const workloads: readonly Workload[] = entries.map((entry) => workloadFrom(entry, {}));

/**
 * The workload of a name. Throws for a name that there is not, listing those there are, and for
 * options that are not above zero.
 */
export function workloadOf(name: string, options: WorkloadOptions = {}): Workload {
  const entry = entries.find((each) => each.name === name);
  if (entry === undefined) {
    const names = entries.map((each) => each.name).join(", ");
    throw new Error(`no workload is called "${name}": ${names}, or a trace file`);
  }
  const { sessionsPerSecond, scale, workingSetTokens } = options;
  for (const [option, value] of Object.entries({ sessionsPerSecond, scale, workingSetTokens })) {
    if (value === undefined || (value > 0 && Number.isFinite(value))) continue;
    throw new RangeError(`${option} must be a number above 0, not ${value}`);
  }
  return workloadFrom(entry, options);
}

function workloadFrom({ name, about, make }: Entry, options: WorkloadOptions): Workload {
  return make(name, about, options);
}

function agents(shape: AgentShape): Entry["make"] {
  return (name, about, options) => agentWorkload(name, about, agentsWith(shape, options));
}

function agentsWith(shape: AgentShape, options: WorkloadOptions): AgentShape {
  const sized = scaledAgents(shape, options.scale ?? 1);
  const arrivals = arrivalsWith(shape.arrivals, options);
  return { ...(options.compacts === false ? withoutCompaction(sized) : sized), arrivals };
}

function chats(shape: ChatShape): Entry["make"] {
  return (name, about, options) => chatWorkload(name, about, chatsWith(shape, options));
}

function chatsWith(shape: ChatShape, options: WorkloadOptions): ChatShape {
  const sized = scaledChats(shape, options.scale ?? 1);
  return { ...sized, arrivals: arrivalsWith(shape.arrivals, options) };
}

function prefixes(shapeOf: (options: WorkloadOptions) => SharedPrefixShape): Entry["make"] {
  return (name, about, options) => {
    const shape = scaledPrefixes(shapeOf(options), options.scale ?? 1);
    const arrivals = arrivalsWith(shape.arrivals, options);
    return sharedPrefixWorkload(name, about, { ...shape, arrivals });
  };
}

function noisyNeighbour(name: string, about: string, options: WorkloadOptions): Workload {
  const quiet = chatsWith(scaledChats(conversationShape, lite), options);
  const noisy = agentsWith(liteShape, {
    ...options,
    sessionsPerSecond: noisyFactor * quiet.arrivals.sessionsPerSecond,
  });
  return mixOf(name, about, [
    { name: "quiet", tenant: "quiet", workload: chatWorkload("quiet-chats", "", quiet) },
    { name: "noisy", tenant: "noisy", workload: agentWorkload("noisy-agents", "", noisy) },
  ]);
}

function arrivalsWith(arrivals: Arrivals, { sessionsPerSecond }: WorkloadOptions): Arrivals {
  return sessionsPerSecond === undefined ? arrivals : { ...arrivals, sessionsPerSecond };
}
