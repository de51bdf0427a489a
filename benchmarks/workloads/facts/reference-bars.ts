import { type Bar, barOf } from "../../report/bars.ts";
import type { WorkloadFacts } from "./describe.ts";
import type { Spread } from "./spreads.ts";

/** One published figure that a generator must come near to. */
interface Reference {
  readonly figure: string;
  readonly wanted: number;
  /** How far off it may be, as a share of `wanted`: what so many draws leave to chance. */
  readonly within: number;
  read(facts: WorkloadFacts): number | undefined;
}

type Quantile = Exclude<keyof Spread, "count">;

function of(spread: string, quantile: Quantile, wanted: number, within = 0.1): Reference {
  const read = ({ spreads }: WorkloadFacts) => spreads[spread]?.[quantile];
  return { figure: `${spread}, ${quantile}`, wanted, within, read };
}

/** Tails are few draws: p99 and means of heavy tails are held less tightly. */
const tail = 0.35;

/** Of `agent` and `agent-lite`: shares, which have no size. */
const agentShares: readonly Reference[] = [
  of("tool pause, ms", "p50", 300),
  // TraceLab: p50 1, p90 20; the fit's mean is 8.9 before its cap.
  of("requests per session", "p50", 1),
  {
    figure: "clients that leave, a hundred requests",
    wanted: 2,
    within: 0.25,
    read: ({ abandonedTurns, spreads }) =>
      (100 * abandonedTurns) / (spreads["tool steps per request"]?.count ?? 0),
  },
  {
    figure: "subagents a request",
    wanted: 0.3,
    within: 0.15,
    read: ({ subagents, spreads }) => subagents / (spreads["tool steps per request"]?.count ?? 0),
  },
  { figure: "tenants", wanted: 20, within: 0, read: ({ tenants }) => tenants },
  {
    // Zipf 1 over twenty: (1 + 1/2) of 3.598; runs of one tenant make it uneven.
    figure: "largest two tenants' share",
    wanted: 0.417,
    within: 0.2,
    read: ({ largestTwoTenants }) => largestTwoTenants,
  },
];

/** An eighth of a length of the Mooncake conversation trace. */
const eighth = (tokens: number) => tokens / 8;

const references: Readonly<Record<string, readonly Reference[]>> = {
  // TraceLab, arXiv 2606.30560.
  agent: [
    ...agentShares,
    of("requests per session", "p90", 18, 0.2),
    of("requests per session", "p99", 137, tail),
    of("requests per session", "mean", 9.2, tail),
    of("tool steps per request", "p90", 20, 0.15),
    of("tool steps per request", "mean", 7.8, 0.2),
    of("appended tokens", "p50", 800),
    of("output tokens", "mean", 523),
    of("tool pause, ms", "p90", 13_600),
    of("human pause, ms", "p50", 84_000),
    of("human pause, ms", "p90", 1_236_000, 0.15),
    {
      figure: "infinite cache, share of prompt tokens",
      wanted: 0.992,
      within: 0.015,
      read: ({ infiniteCacheHits }) => infiniteCacheHits,
    },
  ],
  "agent-lite": [
    ...agentShares,
    of("appended tokens", "p50", 100),
    of("output tokens", "p50", 60),
    of("output tokens", "p99", 400),
    of("tool pause, ms", "p99", 10_000),
    of("human pause, ms", "p50", 10_000),
    {
      figure: "sessions a second",
      wanted: 1,
      within: 0.15,
      read: (facts) => facts.sessionsPerSecond,
    },
  ],
  // The conversation trace's lengths, and the shape of its sessions.
  chat: [
    of("prompt tokens", "p10", eighth(964), 0.15),
    of("prompt tokens", "p50", eighth(6_909), 0.12),
    of("prompt tokens", "p90", eighth(27_367), 0.15),
    of("prompt tokens", "p99", eighth(85_401), tail),
    of("prompt tokens", "mean", eighth(12_035)),
    // Three tokens: the next whole number is a third off.
    of("output tokens", "p10", eighth(24), tail),
    of("output tokens", "p50", eighth(350)),
    of("output tokens", "p90", eighth(597)),
    of("output tokens", "p99", eighth(1_120), tail),
    of("output tokens", "mean", eighth(343)),
    of("turns per session", "mean", 1.5),
    of("turns per session", "p90", 3, 0),
    of("turns per session", "p99", 7, 0.15),
    of("human pause, ms", "p50", 66_000),
    of("human pause, ms", "p90", 267_000, 0.15),
    {
      figure: "infinite cache, share of prompt tokens",
      wanted: 0.374,
      within: 0.1,
      read: ({ infiniteCacheHits }) => infiniteCacheHits,
    },
    {
      figure: "turns a second",
      wanted: 3.4,
      within: 0.1,
      read: ({ sessionsPerSecond, turns, sessions }) => (sessionsPerSecond * turns) / sessions,
    },
  ],
  // llm-d, 2025-09.
  rag: [
    of("prompt tokens", "p50", 7_200, 0),
    of("output tokens", "p50", 1_000, 0),
    { figure: "customers", wanted: 150, within: 0, read: ({ tenants }) => tenants },
  ],
};

/** Sessions that the tolerances are meant for. */
export const referenceSessions = 2_000;

/** Holds a workload, as it is by itself, against its source; empty where there is none. */
export function referenceBars(name: string, facts: WorkloadFacts): readonly Bar[] {
  return (references[name] ?? []).map(({ figure, wanted, within, read }) => {
    const off = Math.abs((read(facts) ?? Number.NaN) / wanted - 1);
    return barOf(`${name}: ${figure}, share off ${wanted}`, rounded(off), "<=", within);
  });
}

/** Without the last digits, which floating point adds. */
function rounded(share: number): number {
  return Math.round(share * 1e6) / 1e6;
}
