import type { Arrivals } from "./arrivals.ts";
import { type LogNormal, scaled } from "./samplers.ts";
import type { Tenants } from "./tenants.ts";

/** What an agent's sessions are drawn from. Tokens and ms. */
export interface AgentShape {
  readonly arrivals: Arrivals;
  readonly tenants: Tenants;
  /** Tokens of each variant of system prompt and tools, most popular first (Zipf 1). */
  readonly globalTokens: readonly number[];
  /** A repository or project: so many (Zipf 0.6), each with so many tokens in front. */
  readonly groups: number;
  readonly groupTokens: number;
  readonly startContext: LogNormal;
  readonly requestsPerSession: LogNormal;
  /** Requests that call no tool at all. */
  readonly toollessShare: number;
  /** Tool calls of a request that makes any. */
  readonly toolSteps: LogNormal;
  readonly append: LogNormal;
  readonly output: LogNormal;
  readonly toolLatencyMs: LogNormal;
  readonly humanGapMs: LogNormal;
  /** Requests that start children which share the parent's context and are waited for. */
  readonly spawningShare: number;
  /** How many children such a request starts. */
  readonly children: { readonly least: number; readonly most: number };
  /** Tool calls of a child. */
  readonly childSteps: LogNormal;
  /** Requests whose client leaves in the middle of the last answer. */
  readonly leavingShare: number;
  /** No context grows beyond this. */
  readonly contextTokensMax: number;
  /**
   * Before it would, the context is rewritten to a summary of so many tokens behind the shared
   * prefix. Absent: the session ends there.
   */
  readonly summaryTokens?: number;
}

const shared = {
  // Two of twenty are noisy: they send their sessions in runs.
  tenants: { count: 20, exponent: 1, noisy: 2, runSessions: 10 },
  groups: 100,
  toollessShare: 0.4,
  spawningShare: 0.1,
  children: { least: 2, most: 4 },
  // Assumed: no source tells how long subagents work.
  childSteps: { median: 2, sigma: 0.8, max: 8 },
  leavingShare: 0.02,
} as const;

/**
 * Coding agents at full size: samplers fitted to TraceLab's quantiles (arXiv 2606.30560; 43
 * developers, 4,265 sessions, 357,161 steps), prefixes as in AIPerf's agentic generator (one of 32
 * k tokens for everybody, 10 k for each of 100 groups), here in five variants.
 */
export const fullShape: AgentShape = {
  ...shared,
  arrivals: { sessionsPerSecond: 0.2, variation: 1.5 },
  globalTokens: [20_000, 32_000, 24_000, 28_000, 22_000],
  groupTokens: 10_000,
  // Median 5 k and mean 15 k: sigma = sqrt(2 ln 3).
  startContext: { median: 5_000, sigma: 1.48, max: 100_000 },
  requestsPerSession: { median: 1, sigma: 2.25, max: 150 },
  toolSteps: { median: 4.5, sigma: 1.55, max: 150 },
  append: { median: 800, sigma: 1.15, max: 30_000 },
  // Mean 525; the median is assumed.
  output: { median: 200, sigma: 1.39, max: 16_000 },
  toolLatencyMs: { median: 300, sigma: 2.98, max: 600_000 },
  humanGapMs: { median: 84_000, sigma: 2.1, max: 3_600_000 },
  contextTokensMax: 180_000,
  summaryTokens: 8_000,
};

/**
 * The same at an eighth of the size, so that eight simulated 8B replicas are a fleet for it; pauses
 * are cut at 10 s, as the AgentX benchmark cuts them.
 */
export const liteShape: AgentShape = {
  ...shared,
  arrivals: { sessionsPerSecond: 1, variation: 1.5 },
  globalTokens: [3_000, 3_000, 3_000, 3_000, 3_000],
  groupTokens: 1_200,
  startContext: { median: 600, sigma: 1.48, max: 12_000 },
  requestsPerSession: { median: 1, sigma: 2.25, max: 12 },
  toolSteps: { median: 4.5, sigma: 1.55, max: 20 },
  append: { median: 100, sigma: 1.15, max: 4_000 },
  output: { median: 60, sigma: 1, max: 400 },
  toolLatencyMs: { median: 300, sigma: 2.98, max: 10_000 },
  humanGapMs: { median: 84_000, sigma: 2.1, max: 10_000 },
  contextTokensMax: 22_500,
  summaryTokens: 1_000,
};

/** The same sessions with `factor` times the tokens; times and counts stay. */
export function scaledAgents(shape: AgentShape, factor: number): AgentShape {
  const times = (tokens: number) => Math.max(1, Math.round(tokens * factor));
  const { summaryTokens, ...rest } = shape;
  return {
    ...rest,
    globalTokens: shape.globalTokens.map(times),
    groupTokens: times(shape.groupTokens),
    startContext: scaled(shape.startContext, factor),
    append: scaled(shape.append, factor),
    output: scaled(shape.output, factor),
    contextTokensMax: times(shape.contextTokensMax),
    ...(summaryTokens === undefined ? {} : { summaryTokens: times(summaryTokens) }),
  };
}

/** Sessions that end where their context is full, instead of going on from a summary. */
export function withoutCompaction({ summaryTokens: _, ...shape }: AgentShape): AgentShape {
  return shape;
}
