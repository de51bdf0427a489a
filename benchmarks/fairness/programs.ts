import { type Bar, barOf } from "../report/bars.ts";
import { quantileOf } from "../report/statistics.ts";
import { formatTable } from "../report/table.ts";
import { type FleetResult, runFleet } from "./fleet.ts";
import { type FairnessPlan, programLoad, shortCallsMax } from "./plan.ts";

/** One tenant's jobs, with attained service or first come first served. */
export interface ProgramRound {
  readonly order: "attained service" | "first come";
  /** Calls that ended: what the order must not cost. */
  readonly calls: number;
  /** Mean time of jobs of a few calls, and how many ended, in ms. */
  readonly shortJobs: number;
  readonly shortMs: number;
  /** What 95 of 100 calls, and all, waited at most for a place, in ms. */
  readonly heldP95Ms: number;
  readonly heldMaxMs: number;
}

/** Both orders on the same jobs. */
export function programRounds(plan: FairnessPlan): readonly ProgramRound[] {
  const loads = [programLoad(plan)];
  const play = (more: { readonly programDelayMsMax?: number }) =>
    plan.seeds.map((seed) => runFleet({ ...plan, loads, seed, ...more }));
  return [
    roundOf("first come", play({ programDelayMsMax: 0 })),
    roundOf("attained service", play({})),
  ];
}

function roundOf(order: ProgramRound["order"], results: readonly FleetResult[]): ProgramRound {
  const short = results.flatMap(({ programs }) =>
    programs.filter(({ calls }) => calls <= shortCallsMax),
  );
  const held = results
    .flatMap(({ calls }) => calls.map(({ heldMs }) => heldMs))
    .toSorted((one, other) => one - other);
  return {
    order,
    calls: held.length,
    shortJobs: short.length,
    shortMs: short.reduce((sum, { totalMs }) => sum + totalMs, 0) / short.length,
    heldP95Ms: quantileOf(held, 0.95),
    heldMaxMs: held.at(-1) ?? 0,
  };
}

/** Ours: short jobs gain, and no call is lost for it. */
export function barsOfPrograms([before, after]: readonly ProgramRound[]): readonly Bar[] {
  const ratio = (read: (round: ProgramRound) => number) =>
    before === undefined || after === undefined ? Number.NaN : read(after) / read(before);
  return [
    barOf(
      "fairness.programs.short_job_time_ratio",
      ratio(({ shortMs }) => shortMs),
      "<=",
      1,
    ),
    barOf(
      "fairness.programs.calls_ratio",
      ratio(({ calls }) => calls),
      ">=",
      0.97,
    ),
  ];
}

/** For a terminal. */
export function programTable(rounds: readonly ProgramRound[]): string {
  return formatTable(
    ["jobs of one tenant", "calls", "short jobs", "mean ms", "call waits p95 ms", "longest"],
    rounds.map(({ order, calls, shortJobs, shortMs, heldP95Ms, heldMaxMs }) => [
      order,
      String(calls),
      String(shortJobs),
      shortMs.toFixed(0),
      heldP95Ms.toFixed(0),
      heldMaxMs.toFixed(0),
    ]),
  );
}
