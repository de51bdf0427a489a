import { llama8bH100 } from "../../engine/index.ts";
import { workloadOf } from "../../workloads/index.ts";
import { type Estimate, histogramOf, meanWithInterval } from "../aggregate.ts";
import { loadShapeOf } from "../fleet/load-shape.ts";
import { runCell } from "../fleet/run-cell.ts";
import { meanOf, mergeHistograms } from "../histogram.ts";
import { policyNamed } from "../policies/index.ts";
import type { CellResult, CellSpec } from "../result.ts";

export const lmetricSource = "LMetric (OSDI'26, arXiv 2603.15202), abstract";

/** What the paper claims to gain over a scheduler, and who stands for it here. */
export interface Claim {
  readonly against: string;
  /** 0.92 = the mean is 92 % less. */
  readonly ttftLess: number;
  readonly tpotLess: number;
  /** A policy of the lab. */
  readonly standIn: string;
}

export const claims: readonly Claim[] = [
  {
    against: "vLLM-v1’s balancer",
    ttftLess: 0.92,
    tpotLess: 0.21,
    standIn: "vllm-balancer",
  },
  {
    against: "a production scheduler",
    ttftLess: 0.52,
    tpotLess: 0.2,
    standIn: "llm-d",
  },
];

/** Why ours differ from theirs, in the order of what it matters. */
export const differences: readonly string[] = [
  "Load. The paper replays traces of Alibaba’s chatbots, APIs and coding agents near the capacity of its cluster; how much a scheduler gains in TTFT depends on whether the other one queues. Below the knee everybody’s TTFT is prefill, and what is left to gain is the hit rate; beyond it the ratio has no limit. The table therefore shows two loads.",
  "The production scheduler is not named. llm-d’s weighted sum stands in, because a linear combination is what the paper says such schedulers are; its prefix index learns from its own history.",
  "Sessions are closed loops here: the next turn waits for the one before, so an overloaded fleet slows its own arrivals. Traces do not, and queues in them grow without limit.",
  "Ours is one 8B model on simulated H100s with vLLM’s default budget of 8,192 tokens a step; theirs are other models on other GPUs. A larger share of prefill in a step gives a larger gain in time per token.",
  "Our router reads gauges every 250 ms; vLLM’s own balancer hears of them about every 100 ms, within one server.",
  "LMetric’s detector of prefix hot spots, which the paper reports to be needed very rarely, is left out.",
];

export interface LMetricSize {
  readonly workloads: readonly string[];
  /** KV demand ÷ capacity of the open load. */
  readonly demands: readonly number[];
  readonly replicas: number;
  readonly seeds: number;
  readonly warmupMs: number;
  readonly measuredMs: number;
}

export const lmetricFull: LMetricSize = {
  workloads: ["chat", "agent-lite"],
  demands: [0.5, 1],
  replicas: 4,
  seeds: 3,
  warmupMs: 30_000,
  measuredMs: 60_000,
};

export const lmetricTiny: LMetricSize = {
  workloads: ["chat"],
  demands: [0.5],
  replicas: 2,
  seeds: 1,
  warmupMs: 2000,
  measuredMs: 5000,
};

/** What LMetric gains here on one workload at one load, over one stand-in. */
export interface Gain {
  readonly workload: string;
  readonly demand: number;
  readonly claim: Claim;
  /** Shares; negative where LMetric is slower. */
  readonly ttftLess: Estimate;
  readonly tpotLess: Estimate;
}

/** Runs LMetric and both stand-ins on the same sessions; one gain for each claim and load. */
export function compareWithLMetric(
  size: LMetricSize,
  progress: (line: string) => void,
): readonly Gain[] {
  return size.workloads.flatMap((workload) =>
    size.demands.flatMap((demand) => {
      const run = (policy: string) => {
        progress(`LMetric: ${workload}, demand ${demand}, ${policy}`);
        return runSeeds(size, workload, demand, policy);
      };
      const ours = run("lmetric");
      return claims.map((claim): Gain => {
        const theirs = run(claim.standIn);
        const less = (read: (cell: CellResult) => number) =>
          meanWithInterval(ours.map((cell, seed) => 1 - read(cell) / read(theirs[seed]!)));
        return { workload, demand, claim, ttftLess: less(ttftMean), tpotLess: less(tpotMean) };
      });
    }),
  );
}

function runSeeds(
  size: LMetricSize,
  name: string,
  demand: number,
  policy: string,
): readonly CellResult[] {
  const workload = workloadOf(name);
  const shape = loadShapeOf(workload, llama8bH100);
  return Array.from({ length: size.seeds }, (_, index) => {
    const spec: CellSpec = {
      policy,
      workload: name,
      regime: "open",
      replicas: size.replicas,
      demand,
      seed: index + 1,
      scenario: {
        name: "baseline",
        profiles: [llama8bH100.name],
        scrapeMs: 250,
        eventLagMs: 10,
        eventLoss: 0,
      },
      warmupMs: size.warmupMs,
      measuredMs: size.measuredMs,
    };
    return runCell(spec, {
      policy: policyNamed(policy),
      workload,
      shape,
      withTimeline: false,
      wallMs: () => performance.now(),
    });
  });
}

function ttftMean(cell: CellResult): number {
  return meanOf(
    mergeHistograms([
      histogramOf([cell], ({ firstTurnTtftMs }) => firstTurnTtftMs),
      histogramOf([cell], ({ laterTurnTtftMs }) => laterTurnTtftMs),
    ]),
  );
}

function tpotMean(cell: CellResult): number {
  return meanOf(histogramOf([cell], ({ tpotMs }) => tpotMs));
}
