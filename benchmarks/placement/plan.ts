import { join } from "node:path";
import { type CellJob, cellsOf } from "../policy-lab/grid/axes.ts";
import type { Scenario } from "../policy-lab/result.ts";
import { traceName } from "../policy-lab/workload-named.ts";

/** What is run; the bars read it by its parts. */
export interface PlacementPlan {
  /** Fleets at saturation, each with its number of paired seeds. */
  readonly fleets: readonly { readonly replicas: number; readonly seeds: number }[];
  /** KV demand ÷ capacity beyond what fits, where admission decides. */
  readonly overloads: readonly number[];
  /** Demands up to what fits; the product's own peak is looked for here too. */
  readonly underloads: readonly number[];
  readonly seeds: number;
  readonly warmupMs: number;
  readonly measuredMs: number;
  readonly openMeasuredMs: number;
  readonly trace: boolean;
  readonly profile: string;
}

/** Everything that the table asks of placement; about an hour on two idle cores. */
export const fullPlan: PlacementPlan = {
  fleets: [
    { replicas: 8, seeds: 3 },
    { replicas: 32, seeds: 1 },
  ],
  overloads: [1.5, 2, 3],
  underloads: [0.25, 0.5, 0.75, 1],
  seeds: 3,
  warmupMs: 50_000,
  measuredMs: 100_000,
  openMeasuredMs: 300_000,
  trace: true,
  profile: "llama-8b-h100",
};

/** Some minutes: too few seeds to quote. */
export const quickPlan: PlacementPlan = {
  ...fullPlan,
  fleets: [{ replicas: 8, seeds: 1 }],
  seeds: 1,
  overloads: [2],
  underloads: [0.5, 1],
  openMeasuredMs: 50_000,
};

/** Seconds: shows only that the bench works. */
export const tinyPlan: PlacementPlan = {
  fleets: [{ replicas: 2, seeds: 1 }],
  overloads: [2],
  underloads: [0.5],
  seeds: 1,
  warmupMs: 2000,
  measuredMs: 4000,
  openMeasuredMs: 4000,
  trace: false,
  profile: "tiny",
};

/** What ours is called in the lab, with events, without, and with the capacity mis-stated. */
export const ours = {
  events: "warmpath",
  history: "warmpath-history",
  less: "warmpath-capacity-90",
  more: "warmpath-capacity-110",
} as const;

/** Published placement, by what it knows of caches, and published admission. */
export const rivals = {
  withEvents: ["dynamo", "lmetric", "thunder-agent"],
  withoutEvents: ["least-loaded", "session-hash", "llm-d", "cache-aware"],
  admission: "thunder-agent",
} as const;

/** Every published policy that is compared. */
export const baselines: readonly string[] = [...rivals.withEvents, ...rivals.withoutEvents];

/** Times their own pace at which the recorded conversations are played, on so many replicas. */
export const traceSpeed = 2.5;
export const traceReplicas = 8;
const traceFile = "mooncake_fast25_conversation_trace.jsonl.gz";
export const tracePath = join(import.meta.dir, "../workloads/testdata", traceFile);
export const traceWorkload = traceName(traceFile);
export const syntheticWorkload = "agent-lite";

/** The cells of a plan. */
export function jobsOf(plan: PlacementPlan): readonly CellJob[] {
  const { warmupMs, measuredMs, openMeasuredMs } = plan;
  const scenario: Scenario = {
    name: "baseline",
    profiles: [plan.profile],
    scrapeMs: 250,
    eventLagMs: 10,
    eventLoss: 0,
  };
  const shared = { scenarios: [scenario], warmupMs, measuredMs, openMeasuredMs };
  const all = [ours.events, ...baselines, "oracle"];
  const smallest = plan.fleets[0]?.replicas ?? 1;
  const saturation = (
    policies: readonly string[],
    replicas: number,
    demands: readonly number[],
    seeds: number,
  ) =>
    cellsOf({
      ...shared,
      policies,
      workload: syntheticWorkload,
      replicas: [replicas],
      demands,
      loads: [],
      regimes: ["saturation"],
      seeds,
    });
  const open = (workload: string, load: number, seeds: number, replicas: number) =>
    cellsOf({
      ...shared,
      policies: all,
      workload,
      replicas: [replicas],
      demands: [],
      loads: [load],
      regimes: ["open"],
      seeds,
    });
  const jobs = [
    ...plan.fleets.flatMap(({ replicas, seeds }) =>
      saturation(all, replicas, plan.overloads, seeds),
    ),
    ...plan.fleets
      .slice(1)
      .flatMap(({ replicas, seeds }) => saturation([ours.events], replicas, [1], seeds)),
    ...saturation([...all, ours.history], smallest, plan.underloads, plan.seeds),
    ...saturation([ours.less, ours.more], smallest, plan.overloads, plan.seeds),
    ...open(syntheticWorkload, 0.25, plan.seeds, smallest),
    ...(plan.trace ? open(traceWorkload, traceSpeed, plan.seeds, traceReplicas) : []),
  ];
  return jobs.toSorted((a, b) => orderOf(a) - orderOf(b));
}

/** Ours first, then what decides most bars: a run that is stopped early tells most. */
const firstPolicies: readonly string[] = [
  ours.events,
  rivals.admission,
  "lmetric",
  "llm-d",
  ours.less,
  ours.more,
];

/** Smaller fleets first, and in each the telling policies. */
function orderOf({ spec: { replicas, policy } }: CellJob): number {
  const place = firstPolicies.indexOf(policy);
  return replicas * 100 + (place < 0 ? firstPolicies.length : place);
}
