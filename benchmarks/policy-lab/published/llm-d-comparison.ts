import { type Bar, barOf } from "../../report/bars.ts";
import { type Estimate, meanWithInterval } from "../aggregate.ts";
import { runCell } from "../fleet/run-cell.ts";
import { meanOf, mergeHistograms, quantileOfHistogram } from "../histogram.ts";
import { llmDPrecise, startLlmD } from "../policies/llm-d.ts";
import { random } from "../policies/random.ts";
import type { CellSpec } from "../result.ts";
import type { Policy } from "../types.ts";
import {
  type ByScheduler,
  ladder,
  type Scheduler,
  type Stage,
  schedulers,
} from "./llm-d-figures.ts";
import {
  type Burst,
  publishedShape,
  type SharedPrefixShape,
  sharedPrefixBursts,
} from "./llm-d-workload.ts";
import { recordStages, type StageRecord } from "./stage-recorder.ts";

/** How much of the experiment is run. */
export interface LlmDSize {
  readonly stages: readonly Stage[];
  readonly seeds: number;
  readonly replicas: number;
  readonly shape: SharedPrefixShape;
  /** Requests per second of the warm-up, which asks every prompt once. */
  readonly warmupPerSecond: number;
}

/** The whole ladder; the warm-up as published. */
export const fullSize: LlmDSize = {
  stages: ladder,
  seeds: 3,
  replicas: 8,
  shape: publishedShape,
  warmupPerSecond: 15,
};

/** Two stages on a fleet of two with a quarter of everything: a second, for tests. */
export const tinySize: LlmDSize = {
  stages: [20, 60].map((rate) => {
    const stage = ladder.find(({ requestsPerSecond }) => requestsPerSecond === rate)!;
    return { ...stage, requestsPerSecond: rate / 4, seconds: 15 };
  }),
  seeds: 1,
  replicas: 2,
  shape: { ...publishedShape, groups: 37, outputTokens: 200 },
  warmupPerSecond: 4,
};

/** Our figures of one scheduler in one stage (or over all): estimates over seeds. */
export interface OurFigures {
  readonly tokensPerSecond: Estimate;
  readonly p90Seconds: Estimate;
  readonly meanSeconds: Estimate;
  /** Share of prompt tokens. */
  readonly hitRate: Estimate;
}

export interface LlmDComparison {
  readonly size: LlmDSize;
  readonly byStage: readonly ByScheduler<OurFigures>[];
  readonly overall: ByScheduler<OurFigures>;
  readonly bars: readonly Bar[];
}

/**
 * After a stage everybody waits until its last answer has ended, as the published tool does; the
 * slowest needs less than this.
 */
const drainMs = 300_000;

/** The four configurations as published: weights, block sizes and limits. */
const policyOf: Readonly<Record<Scheduler, Policy>> = {
  precise: llmDPrecise,
  approximate: variant("approximate", {
    queueWeight: 1,
    kvUsageWeight: 1,
    prefixWeight: 1,
    prefix: "history",
    // 64 characters of text, 256 blocks at most, 31,250 kept: the defaults of that time.
    chunkTokens: 16,
    prefixTokensMax: 4096,
    chunksMax: 31_250,
  }),
  load: variant("load", {
    queueWeight: 1,
    kvUsageWeight: 1,
    prefixWeight: 0,
    prefix: "none",
    chunkTokens: 64,
    prefixTokensMax: 0,
  }),
  random,
};

function variant(name: Scheduler, options: Parameters<typeof startLlmD>[1]): Policy {
  return {
    name: `llm-d-2025-09-${name}`,
    source: "llm-d-kv-cache benchmarking/73-capacity",
    about: "A configuration of the published comparison.",
    start: (context) => startLlmD(context, options),
  };
}

/**
 * Runs the experiment in this process: for each scheduler and seed one run up the whole ladder, so
 * that what a scheduler wrongly believes at the top is what it learned on the way.
 */
export function compareWithLlmD(size: LlmDSize, progress: (line: string) => void): LlmDComparison {
  const runs = bySchedulers((scheduler) =>
    Array.from({ length: size.seeds }, (_, index) => {
      progress(`llm-d 2025-09: ${scheduler}, seed ${index + 1} of ${size.seeds}`);
      return climb(size, policyOf[scheduler], index + 1);
    }),
  );
  const figuresOf = (pick: (records: readonly StageRecord[]) => readonly StageRecord[]) =>
    bySchedulers((scheduler) => ourFigures(runs[scheduler].map(pick)));
  const overall = figuresOf((records) => records);
  return {
    size,
    byStage: size.stages.map((_, stage) => figuresOf((records) => records.slice(stage, stage + 1))),
    overall,
    bars: barsOf(size, overall),
  };
}

/** One run: every prompt once, then stage after stage, each after the last has drained. */
function climb(size: LlmDSize, policy: Policy, seed: number): readonly StageRecord[] {
  const prompts = size.shape.groups * size.shape.promptsPerGroup;
  const bursts: Burst[] = [
    { startMs: 0, perSecond: size.warmupPerSecond, until: { requests: prompts } },
  ];
  let startMs = (prompts * 1000) / size.warmupPerSecond + drainMs;
  for (const { requestsPerSecond, seconds } of size.stages) {
    bursts.push({ startMs, perSecond: requestsPerSecond, until: { seconds } });
    startMs += seconds * 1000 + drainMs;
  }
  // In the middle of the pause: a run may shift all arrivals by a few of their gaps.
  const boundaries = bursts.slice(1).map((burst) => burst.startMs - drainMs / 2);
  const recorded = recordStages(policy, boundaries);
  runCell(specOf(size, policy, seed, startMs), {
    policy: recorded.policy,
    workload: sharedPrefixBursts(size.shape, bursts),
    // One session at the start, and no stretching of arrivals.
    shape: { sessionsFor: () => 1, jobMs: 1, sessionsPerSecond: undefined },
    withTimeline: false,
    wallMs: () => performance.now(),
  });
  return recorded.records();
}

function specOf(size: LlmDSize, policy: Policy, seed: number, measuredMs: number): CellSpec {
  return {
    policy: policy.name,
    // As for traces, sessions come when the workload says, from the first one on.
    workload: "trace:llm-d-2025-09",
    regime: "open",
    replicas: size.replicas,
    demand: 0.73,
    seed,
    scenario: {
      name: "llm-d-2025-09",
      profiles: ["qwen-32b-tp2-h100-shared"],
      // The endpoint picker's refresh interval.
      scrapeMs: 50,
      eventLagMs: 10,
      eventLoss: 0,
    },
    warmupMs: 0,
    measuredMs,
  };
}

/** For each seed its records: one stage, or all. */
function ourFigures(seeds: readonly (readonly StageRecord[])[]): OurFigures {
  const over = (read: (records: readonly StageRecord[]) => number) =>
    meanWithInterval(seeds.map(read));
  const total = (records: readonly StageRecord[], read: (record: StageRecord) => number) =>
    records.reduce((sum, record) => sum + read(record), 0);
  const ttft = (records: readonly StageRecord[]) =>
    mergeHistograms(records.map(({ ttftMs }) => ttftMs));
  return {
    tokensPerSecond: over(
      (records) =>
        total(records, ({ outputTokensPerSecond }) => outputTokensPerSecond) / records.length,
    ),
    p90Seconds: over((records) => quantileOfHistogram(ttft(records), 0.9) / 1000),
    meanSeconds: over((records) => meanOf(ttft(records)) / 1000),
    hitRate: over(
      (records) =>
        total(records, ({ cachedTokens }) => cachedTokens) /
        total(records, ({ promptTokens }) => promptTokens),
    ),
  };
}

function bySchedulers<Value>(of: (scheduler: Scheduler) => Value): ByScheduler<Value> {
  const pairs = schedulers.map((scheduler) => [scheduler, of(scheduler)] as const);
  return Object.fromEntries(pairs) as ByScheduler<Value>;
}

/**
 * The ordering and the collapses, not the absolute values: ours is a model of another machine. The
 * published ratios are beside each.
 */
function barsOf(size: LlmDSize, overall: ByScheduler<OurFigures>): readonly Bar[] {
  const p90 = (one: Scheduler, other: Scheduler) =>
    overall[one].p90Seconds.mean / overall[other].p90Seconds.mean;
  const rate = (one: Scheduler, other: Scheduler) =>
    overall[one].tokensPerSecond.mean / overall[other].tokensPerSecond.mean;
  const collapse = barOf("llm-d: TTFT p90, random / precise", p90("random", "precise"), ">=", 10);
  // The approximate index goes wrong only where the fleet is full, which a small run never is.
  if (size.stages.length < ladder.length) return [collapse];
  const apart = Math.max(p90("random", "load"), p90("load", "random"));
  return [
    collapse,
    barOf("llm-d: TTFT p90, approximate / precise", p90("approximate", "precise"), ">=", 5),
    barOf("llm-d: TTFT p90, random / approximate", p90("random", "approximate"), ">=", 1.5),
    barOf("llm-d: TTFT p90, random and load apart by", apart, "<=", 1.5),
    barOf("llm-d: tokens/s, precise / approximate", rate("precise", "approximate"), ">=", 1.1),
    barOf("llm-d: tokens/s, approximate / random", rate("approximate", "random"), ">=", 1.1),
  ];
}
