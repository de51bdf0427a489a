import { tiny } from "../../engine/index.ts";
import type { Workload } from "../../workloads/types.ts";
import { loadShapeOf } from "../fleet/load-shape.ts";
import { runCell } from "../fleet/run-cell.ts";
import type { CellResult, CellSpec, Scenario } from "../result.ts";
import type { Policy, PolicyRun } from "../types.ts";
import { smallAgents, workloadOf } from "./plan-session.ts";

/** Nothing happens but the load. */
const calm: Scenario = {
  name: "baseline",
  profiles: ["tiny"],
  blocks: 2000,
  scrapeMs: 250,
  eventLagMs: 10,
  eventLoss: 0,
};

/** What a test changes of the usual small cell. */
interface Run {
  readonly policy?: Policy;
  readonly workload?: Workload;
  readonly spec?: Partial<CellSpec>;
  readonly scenario?: Partial<Scenario>;
}

/** Runs a cell of three small replicas for 25 s of virtual time. */
export function run({
  policy = roundRobin(),
  workload = smallAgents,
  spec,
  scenario,
}: Run): CellResult {
  return runCell(
    {
      policy: policy.name,
      workload: workload.name,
      regime: "saturation",
      replicas: 3,
      demand: 0.8,
      seed: 1,
      warmupMs: 5000,
      measuredMs: 20_000,
      ...spec,
      scenario: { ...calm, ...scenario },
    },
    {
      policy,
      workload,
      shape: loadShapeOf(workload, tiny),
      withTimeline: false,
      wallMs: () => 0,
    },
  );
}

/** A policy of the test: `place` and whatever else it wants to hear. */
export function policyOf(name: string, start: () => PolicyRun): Policy {
  return { name, source: "test", about: "test", start };
}

/** Takes the healthy replicas in turn. */
export function roundRobin(): Policy {
  return policyOf("in-turn", () => {
    let next = 0;
    return {
      place: (_, replicas) => {
        const healthy = replicas.filter(({ healthy }) => healthy);
        next += 1;
        return healthy[next % healthy.length]?.index ?? "hold";
      },
    };
  });
}

/** Turns that ended, of all classes. */
export const turnsIn = ({ classes }: CellResult) =>
  Object.values(classes).reduce((sum, { turns }) => sum + turns, 0);

/** So many sessions with so many short turns each, and no pause. */
export const finite = (turns: number, sessions = 2) =>
  workloadOf(
    "trace:finite",
    Array.from({ length: sessions }, (_, index) => ({
      id: `s${index}`,
      turns: Array.from({ length: turns }, () => ({
        newTokens: 160,
        outputTokens: 16,
        gapMs: 0,
      })),
    })),
  );
