import type { CellSpec, Regime, Scenario } from "../result.ts";

/** What a grid varies; every combination is a row, and every seed of a row a cell. */
export interface GridAxes {
  readonly policies: readonly string[];
  readonly workload: string;
  readonly replicas: readonly number[];
  /** KV demand ÷ capacity at saturation. */
  readonly demands: readonly number[];
  /** The same in the open regime, where it sets the arrival rate. */
  readonly loads: readonly number[];
  readonly regimes: readonly Regime[];
  readonly scenarios: readonly Scenario[];
  readonly seeds: number;
  readonly warmupMs: number;
  /** Measured time at saturation, and in the open regime. */
  readonly measuredMs: number;
  readonly openMeasuredMs: number;
}

/** One cell to run. */
export interface CellJob {
  readonly spec: CellSpec;
  /** Only a row's first seed keeps its timeline: they are most of a result's size. */
  readonly withTimeline: boolean;
}

/**
 * The cells of the axes, seeds innermost, then policies: what is compared with each other runs
 * close together, and an interrupted grid holds whole comparisons.
 */
export function cellsOf(axes: GridAxes): readonly CellJob[] {
  const { warmupMs, workload } = axes;
  const jobs: CellJob[] = [];
  for (const regime of axes.regimes) {
    const isSaturation = regime === "saturation";
    const demands = isSaturation ? axes.demands : axes.loads;
    const measuredMs = isSaturation ? axes.measuredMs : axes.openMeasuredMs;
    for (const scenario of axes.scenarios) {
      for (const replicas of axes.replicas) {
        for (const demand of demands) {
          for (const policy of axes.policies) {
            for (let seed = 1; seed <= axes.seeds; seed += 1) {
              jobs.push({
                spec: {
                  policy,
                  workload,
                  regime,
                  replicas,
                  demand,
                  seed,
                  scenario,
                  warmupMs,
                  measuredMs,
                },
                withTimeline: seed === 1,
              });
            }
          }
        }
      }
    }
  }
  return jobs;
}
