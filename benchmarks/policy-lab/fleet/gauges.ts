import type { CellResult, Timeline } from "../result.ts";
import type { Replica } from "./replica.ts";

/** Samples what can only be looked at, not counted. */
export interface Gauges {
  readonly everyMs: number;
  sample(nowMs: number): void;
  finish(prefillTokensOf: Float64Array): Pick<CellResult, "imbalance" | "timeline">;
}

/** A report draws no more lines than these. */
const timelineReplicasMax = 16;

/** Gauges of a fleet; `isMeasured` says which samples count for the imbalance. */
export function createGauges(options: {
  readonly replicas: readonly Replica[];
  readonly everyMs: number;
  readonly held: () => number;
  readonly withTimeline: boolean;
  readonly isMeasured: (timeMs: number) => boolean;
}): Gauges {
  const { replicas, everyMs } = options;
  const timeline = {
    everyMs,
    replicas: replicas.slice(0, timelineReplicasMax).map(() => ({
      running: [] as number[],
      waiting: [] as number[],
      kvUsage: [] as number[],
    })),
    held: [] as number[],
  } satisfies Timeline;
  let ratios = 0;
  let samples = 0;

  const sampleImbalance = () => {
    let most = 0;
    let all = 0;
    for (const { inFlight } of replicas) {
      most = Math.max(most, inFlight.size);
      all += inFlight.size;
    }
    if (all === 0) return;
    ratios += (most * replicas.length) / all;
    samples += 1;
  };
  const sampleTimeline = () => {
    for (const [index, rows] of timeline.replicas.entries()) {
      const { running = 0, waiting = 0, blocksUsed = 0, blocks = 0 } = replicas[index]?.load ?? {};
      rows.running.push(running);
      rows.waiting.push(waiting);
      rows.kvUsage.push(blocks === 0 ? 0 : Math.round((1000 * blocksUsed) / blocks) / 1000);
    }
    timeline.held.push(options.held());
  };

  return {
    everyMs,
    sample: (nowMs) => {
      if (options.isMeasured(nowMs)) sampleImbalance();
      if (!options.withTimeline) return;
      for (const replica of replicas) replica.advance(nowMs);
      sampleTimeline();
    },
    finish: (prefillTokensOf) => {
      const sum = prefillTokensOf.reduce((total, tokens) => total + tokens, 0);
      const most = prefillTokensOf.reduce((largest, tokens) => Math.max(largest, tokens), 0);
      return {
        imbalance: {
          requests: samples === 0 ? 1 : ratios / samples,
          prefillTokens: sum === 0 ? 1 : (most * prefillTokensOf.length) / sum,
        },
        ...(options.withTimeline ? { timeline } : {}),
      };
    },
  };
}
