import { join } from "node:path";
import { cpuMsOfTree } from "../system/cpu-time.ts";
import { spawnProcess } from "../system/spawn-process.ts";
import {
  type Contender,
  loadCore,
  type StartedContender,
  startMockUpstream,
} from "./contenders.ts";
import type { LoadOrder, LoadResult } from "./load-generator.ts";

/** Sizes of one run of the bench. */
export interface OverheadPlan {
  readonly rounds: number;
  readonly bodySizes: readonly number[];
  readonly connections: number;
  readonly ratePerSecond: number;
  readonly warmupMs: number;
  readonly durationMs: number;
}

/** As fast as possible with one size of body. */
export interface Throughput extends LoadResult {
  readonly bodyBytes: number;
  /**
   * CPU time of the contender's processes for each request; absent for no contender, or no /proc.
   */
  readonly cpuUsPerRequest?: number;
}

/** Everything that one contender did in one round. */
export interface ContenderRound {
  readonly round: number;
  /** Place in this round's order, from 1. */
  readonly place: number;
  readonly contender: Contender["name"];
  /** As fast as possible, by body size. */
  readonly throughput: readonly Throughput[];
  /** At a fixed rate, with the smallest body. */
  readonly latency: LoadResult;
}

/**
 * Measures every contender in every round, each started afresh, the order turned around each time.
 */
export async function measureOverhead(
  contenders: readonly Contender[],
  plan: OverheadPlan,
  onProgress: (text: string) => void,
): Promise<ContenderRound[]> {
  const results: ContenderRound[] = [];
  for (let round = 1; round <= plan.rounds; round++) {
    const order = round % 2 === 1 ? contenders : contenders.toReversed();
    for (const [index, contender] of order.entries()) {
      onProgress(`round ${round} of ${plan.rounds}: ${contender.name}`);
      const measured = await measureOne(contender, plan);
      results.push({ round, place: index + 1, contender: contender.name, ...measured });
    }
  }
  return results;
}

async function measureOne(
  contender: Contender,
  plan: OverheadPlan,
): Promise<Pick<ContenderRound, "throughput" | "latency">> {
  const upstream = await startMockUpstream();
  try {
    const started = await contender.start(upstream.url);
    try {
      const base = {
        url: `${started.url}/v1/chat/completions`,
        headers: started.headers,
        connections: plan.connections,
        warmupMs: plan.warmupMs,
        durationMs: plan.durationMs,
      };
      const smallest = Math.min(...plan.bodySizes);
      const throughput: Throughput[] = [];
      for (const bodyBytes of plan.bodySizes) {
        const cpuBefore = cpuMs(started);
        const result = await runLoadProcess({ ...base, bodyBytes, ratePerSecond: 0 });
        const usedMs = (cpuMs(started) ?? Number.NaN) - (cpuBefore ?? Number.NaN);
        const cpuUsPerRequest = (usedMs * 1000) / (result.requests + result.warmupRequests);
        throughput.push({
          bodyBytes,
          ...result,
          ...(Number.isFinite(cpuUsPerRequest) ? { cpuUsPerRequest } : {}),
        });
      }
      const paced = { ...base, bodyBytes: smallest, ratePerSecond: plan.ratePerSecond };
      return { throughput, latency: await runLoadProcess(paced) };
    } finally {
      await started.stop();
    }
  } finally {
    await upstream.stop();
  }
}

function cpuMs({ pid }: StartedContender): number | undefined {
  return pid === undefined ? undefined : cpuMsOfTree(pid);
}

/** Time beyond warm-up and measurement that a load generator may take to start and to drain. */
const slackMs = 20_000;

async function runLoadProcess(order: LoadOrder): Promise<LoadResult> {
  const script = join(import.meta.dir, "load-generator.ts");
  const child = await spawnProcess({
    command: [process.execPath, script, JSON.stringify(order)],
    core: loadCore,
    readyMs: order.warmupMs + order.durationMs + slackMs,
  });
  await child.stop();
  // The load generator prints nothing but its result.
  return JSON.parse(child.firstLine) as LoadResult;
}
