import type { Workload } from "../../workloads/types.ts";
import { type LoadShape, loadShapeOf } from "../fleet/load-shape.ts";
import { peakPlacement } from "../fleet/peak-placement.ts";
import { profileAt, runCell } from "../fleet/run-cell.ts";
import type { CellJob } from "../grid/axes.ts";
import { policyNamed } from "../policies/index.ts";
import { type CellResult, infiniteCache } from "../result.ts";
import { workloadNamed } from "../workload-named.ts";

/** Runs cells one after another in this process; what they share is made once. */
export function createJobRunner(
  tracePath: string | undefined,
): (job: CellJob) => Promise<CellResult> {
  const workloads = new Map<string, Workload>();
  const shapes = new Map<string, LoadShape>();
  return async ({ spec, withTimeline }) => {
    const workload =
      workloads.get(spec.workload) ?? (await workloadNamed(spec.workload, tracePath));
    workloads.set(spec.workload, workload);
    const profile = profileAt(spec.scenario, 0);
    const shapeKey = JSON.stringify([spec.workload, profile.name]);
    const shape = shapes.get(shapeKey) ?? loadShapeOf(workload, profile);
    shapes.set(shapeKey, shape);
    const policy = spec.policy === infiniteCache ? peakPlacement : policyNamed(spec.policy);
    return runCell(spec, {
      policy,
      workload,
      shape,
      withTimeline,
      wallMs: () => performance.now(),
    });
  };
}
