import type { EngineProfile } from "../../engine/types.ts";
import { kvDemandOf } from "../../workloads/index.ts";
import type { Workload } from "../../workloads/types.ts";
import { createNominal, neighbours } from "./nominal.ts";

/** What a workload asks of a fleet, by its plan and a step model; from a sample of its sessions. */
export interface LoadShape {
  /** How many sessions under way want so many tokens of KV; at least 1. */
  sessionsFor(kvTokens: number): number;
  /** Mean duration of a session on a lightly loaded fleet with a full cache, gaps included. */
  readonly jobMs: number;
  /** Of the workload's own arrivals; undefined where they are not to be stretched. */
  readonly sessionsPerSecond: number | undefined;
}

/** A seed of its own, so that every seed of a grid runs the same number of sessions. */
const sampleSeed = 20_260;
const arrivalsSampled = 400;

/** Looks at the workload's first sessions; done once per process. */
export function loadShapeOf(workload: Workload, profile: EngineProfile): LoadShape {
  const nominal = createNominal(profile);
  const demand = kvDemandOf(workload, {
    seed: sampleSeed,
    turnMs: (promptTokens, outputTokens) =>
      nominal.turnMs({ promptTokens, cachedTokens: 0, outputTokens }, neighbours),
  });
  return {
    sessionsFor: (kvTokens) => demand.sessions(kvTokens),
    jobMs: demand.sessionMs,
    sessionsPerSecond: arrivalRateOf(workload),
  };
}

function arrivalRateOf(workload: Workload): number | undefined {
  let arrivals = 0;
  let firstMs = 0;
  let lastMs = 0;
  for (const { startMs } of workload.sessions(sampleSeed)) {
    if (arrivals === 0) firstMs = startMs;
    lastMs = startMs;
    arrivals += 1;
    if (arrivals === arrivalsSampled) break;
  }
  return lastMs > firstMs ? ((arrivals - 1) * 1000) / (lastMs - firstMs) : undefined;
}
