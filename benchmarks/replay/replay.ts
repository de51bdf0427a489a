import { profiles } from "../engine/index.ts";
import { metrics } from "../policy-lab/aggregate.ts";
import { loadShapeOf } from "../policy-lab/fleet/load-shape.ts";
import { runCell } from "../policy-lab/fleet/run-cell.ts";
import { policyNamed } from "../policy-lab/policies/index.ts";
import type { CellResult, CellSpec } from "../policy-lab/result.ts";
import type { Policy } from "../policy-lab/types.ts";
import { quantileOf } from "../report/statistics.ts";
import { receiptWorkload, receiptWorkloadName } from "./receipt-workload.ts";
import { recordedName, recordedPolicy } from "./recorded-policy.ts";
import type { Recording, ReplayedRequest, ReplayRow } from "./types.ts";

/** The fleet that a recording is played on. */
export interface ReplayFleet {
  readonly replicas: number;
  /** Name of an engine profile: how fast they are, and how much KV they hold. */
  readonly profile: string;
  /** KV blocks of 16 tokens; undefined: the profile's. */
  readonly blocks: number | undefined;
  /** Sessions arrive so many times faster than they did. */
  readonly speed: number;
}

/** What the receipts say: real engines, which no row of a replay is to be held against. */
export function receiptsRow({ requests }: Recording): ReplayRow {
  const firstMs = requests[0]?.arrivedAtMs ?? 0;
  const ttftMs = requests
    .flatMap(({ firstEventMs, waitedMs }) =>
      firstEventMs === undefined ? [] : [waitedMs + firstEventMs],
    )
    .sort((one, other) => one - other);
  const sum = (numbers: readonly number[]) => numbers.reduce((all, each) => all + each, 0);
  const moves = new MoveCounter();
  for (const { session, replica } of requests) moves.note(session, replica);
  return {
    policy: "(receipts)",
    turnsPerSecond: (requests.length * 1000) / Math.max(1, lastMsOf(requests) - firstMs),
    ttftP50Ms: quantileOf(ttftMs, 0.5),
    ttftP90Ms: quantileOf(ttftMs, 0.9),
    hitRate:
      sum(requests.map(({ cachedTokens }) => cachedTokens)) /
      Math.max(1, sum(requests.map(({ promptTokens }) => promptTokens))),
    movedSessions: moves.moved,
    refusals: 0,
    lostTurns: 0,
  };
}

/** Plays the recording under one policy, in virtual time; the same input gives the same row. */
export function replay(recording: Recording, name: string, fleet: ReplayFleet): ReplayRow {
  const profile = profiles[fleet.profile];
  if (profile === undefined) {
    throw new Error(`no profile is called "${fleet.profile}": ${Object.keys(profiles).join(", ")}`);
  }
  const moves = new MoveCounter();
  const policy = observed(policyOf(recording, name, fleet.replicas), moves);
  const workload = receiptWorkload(recording);
  const shape = loadShapeOf(workload, profile);
  const means = { policy, workload, shape, withTimeline: false, wallMs: () => 0 };
  return rowOf(runCell(specOf(recording, name, fleet), means), moves);
}

/** The policy of a name; throws with a suggestion when there is none. */
export function policyOf(recording: Recording, name: string, replicas: number): Policy {
  return name === recordedName ? recordedPolicy(recording, replicas) : policyNamed(name);
}

/** Virtual time after the last arrival in which what is under way ends; then the run is cut. */
const drainMs = 3_600_000;

function specOf({ requests }: Recording, policy: string, fleet: ReplayFleet): CellSpec {
  const { replicas, profile, blocks, speed } = fleet;
  const spanMs = lastMsOf(requests) - (requests[0]?.arrivedAtMs ?? 0);
  return {
    policy,
    workload: receiptWorkloadName,
    regime: "open",
    replicas,
    demand: speed,
    seed: 1,
    scenario: {
      name: "baseline",
      profiles: [profile],
      ...(blocks !== undefined && { blocks }),
      scrapeMs: 250,
      eventLagMs: 10,
      eventLoss: 0,
    },
    warmupMs: 0,
    measuredMs: spanMs + drainMs,
  };
}

function lastMsOf(requests: readonly ReplayedRequest[]): number {
  return requests.reduce((last, { endedAtMs }) => Math.max(last, endedAtMs), 0);
}

function rowOf(cell: CellResult, moves: MoveCounter): ReplayRow {
  const { sent, ended, underWay } = cell.conservation;
  return {
    policy: cell.spec.policy,
    turnsPerSecond: cell.turnsPerSecond,
    ttftP50Ms: metrics.ttftP50.read(cell),
    ttftP90Ms: metrics.ttftP90.read(cell),
    hitRate: metrics.hitRate.read(cell),
    movedSessions: moves.moved,
    refusals: cell.refusals,
    lostTurns: sent - ended - underWay,
  };
}

/** The same policy; where it sends each session's turns is noted. */
function observed(policy: Policy, moves: MoveCounter): Policy {
  return {
    ...policy,
    start: (context) => {
      const run = policy.start(context);
      const place = run.place.bind(run);
      run.place = (request, replicas, nowMs) => {
        const placed = place(request, replicas, nowMs);
        if (typeof placed === "number") moves.note(request.sessionId, String(placed));
        return placed;
      };
      return run;
    },
  };
}

/** Sessions that had turns at more than one replica. */
class MoveCounter {
  readonly #homes = new Map<string, string>();
  readonly #moved = new Set<string>();

  get moved(): number {
    return this.#moved.size;
  }

  note(session: string, replica: string): void {
    const home = this.#homes.get(session);
    if (home !== undefined && home !== replica) this.#moved.add(session);
    this.#homes.set(session, replica);
  }
}
