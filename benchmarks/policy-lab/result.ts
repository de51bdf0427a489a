/** What the lab hands out: neutral and plain JSON; reports and other tools need nothing else. */
import type { Bar } from "../report/bars.ts";
import type { MachineFacts } from "../report/machine.ts";
import type { SloClass } from "../workloads/types.ts";
import type { Histogram } from "./histogram.ts";

/**
 * `saturation`: a fixed number of job slots, the next session starts when one ends. `open`:
 * sessions arrive at a fixed rate whatever the fleet does.
 */
export type Regime = "saturation" | "open";

/** Name of the row that is no policy: the same load on replicas whose KV never fills. */
export const infiniteCache = "infinite-cache";

/** How the fleet differs from a healthy one of equals, well informed. */
export interface Scenario {
  /** "baseline", or what was varied, e.g. "staleness=5000". */
  readonly name: string;
  /** Names of engine profiles; replica `i` has the one at `i` modulo their number. */
  readonly profiles: readonly string[];
  /** KV blocks of each replica; absent: the profile's. */
  readonly blocks?: number;
  /** Every so often the router reads each replica's gauges: they are up to so old. */
  readonly scrapeMs: number;
  /** KV events reach the router so much later. */
  readonly eventLagMs: number;
  /** Share of KV event batches that never arrive. */
  readonly eventLoss: number;
  /** The first `replicas` replicas take `factor` times as long for each step. */
  readonly slow?: { readonly replicas: number; readonly factor: number };
  /** Replica 0 dies and comes back with an empty cache; times in ms from the run's beginning. */
  readonly failing?: { readonly atMs: number; readonly backAtMs: number };
}

/** Everything that a cell's result depends on, code aside. */
export interface CellSpec {
  /** Name of a policy, or `infiniteCache`. */
  readonly policy: string;
  /** Name of a workload; `trace:NAME` for a trace file. */
  readonly workload: string;
  readonly regime: Regime;
  readonly replicas: number;
  /**
   * KV demand ÷ capacity: distinct tokens that the sessions under way keep, by the workload's plan,
   * over the fleet's KV tokens. Sets the job slots (saturation) or the arrival rate (open: the rate
   * at which so many sessions are under way on an idle fleet with a full cache). For a trace in the
   * open regime: how many times faster than it was recorded it is played.
   */
  readonly demand: number;
  readonly seed: number;
  readonly scenario: Scenario;
  /** Virtual time that is simulated and dropped, then virtual time that is measured. */
  readonly warmupMs: number;
  readonly measuredMs: number;
}

/** Figures of one SLO class. Times in ms; what counts is what happened in the measured window. */
export interface ClassResult {
  readonly turns: number;
  /** From handing the turn to the router, time held included, to the first token at the client. */
  readonly firstTurnTtftMs: Histogram;
  readonly laterTurnTtftMs: Histogram;
  /** Per turn: (end − first token) ÷ (tokens − 1). */
  readonly tpotMs: Histogram;
  readonly turnMs: Histogram;
  /** Sessions that began and ended in the run, children excluded: first turn sent to last ended. */
  readonly jctMs: Histogram;
  /** Turns that met their class's SLO on TTFT and TPOT; batch has none and always meets it. */
  readonly turnsInSlo: number;
}

/** One tenant's share. */
export interface TenantResult {
  readonly tenant: string;
  readonly turns: number;
  /** Prompt tokens computed for it (cached ones excluded) and tokens generated. */
  readonly prefillTokens: number;
  readonly outputTokens: number;
  /** Mean of: turn time on an idle replica with the whole session cached ÷ turn time measured. */
  readonly speed: number;
}

/** Gauges over time, sampled over the whole run, warm-up included; at most 121 samples. */
export interface Timeline {
  readonly everyMs: number;
  /** Per replica, at most the first 16; one number a sample. */
  readonly replicas: readonly {
    readonly running: readonly number[];
    readonly waiting: readonly number[];
    /** 0 to 1. */
    readonly kvUsage: readonly number[];
  }[];
  readonly held: readonly number[];
}

/** One run of one policy. Everything but `cost` is the same for the same spec and code. */
export interface CellResult {
  readonly spec: CellSpec;
  /** Job slots; undefined in the open regime. */
  readonly slots?: number;
  /** Sessions that arrive per second; undefined at saturation. */
  readonly sessionsPerSecond?: number;
  /** Root sessions that ended in the window, per second; children count with their root. */
  readonly jobsPerSecond: number;
  readonly turnsPerSecond: number;
  readonly outputTokensPerSecond: number;
  /** Turns within their SLO, per second. */
  readonly goodputPerSecond: number;
  readonly classes: { readonly [Class in SloClass]?: ClassResult };
  /** Gaps between tokens, from the engines' steps, over all classes. */
  readonly itlMs: Histogram;
  /** Over the window's turns, counted when the engine admits them (first admission only). */
  readonly promptTokens: number;
  readonly hitTokens: number;
  /** What one infinite cache for the whole fleet would have served of exactly these turns. */
  readonly boundTokens: number;
  /** Blocks that lost their content to another's in the window. */
  readonly evictions: number;
  readonly preemptions: number;
  readonly imbalance: {
    /** Mean over time of the largest number of requests on a replica over the mean. */
    readonly requests: number;
    /** Prompt tokens computed by the busiest replica over the mean. */
    readonly prefillTokens: number;
  };
  readonly tenants: readonly TenantResult[];
  /** Jain's index of the tenants' `speed`: 1 = all are served equally fast. */
  readonly jain: number;
  /** Attempts that a dying replica took with it; each was sent again. */
  readonly retries: number;
  /** Sessions passed over because a turn of theirs fits into no replica's KV cache; whole run. */
  readonly sessionsLeftOut: number;
  /** Turns that clients left. */
  readonly aborts: number;
  /** Turns that were told to come again later, once for each time. */
  readonly refusals: number;
  /** Longest that a request was held before it was placed or refused. */
  readonly longestWaitMs: number;
  readonly held: { readonly turns: number; readonly heldMs: Histogram };
  /** Turns sent, ended, and under way or held when the run stopped; the whole run. */
  readonly conservation: {
    readonly sent: number;
    readonly ended: number;
    readonly underWay: number;
  };
  /** Only for the first seed of a row. */
  readonly timeline?: Timeline;
  readonly cost: {
    readonly wallSeconds: number;
    /** Tokens computed or generated in the whole run, prefill counted once per chunk token. */
    readonly tokenEvents: number;
    readonly steps: number;
  };
}

/** What is known of a policy, for legends. */
export interface PolicyFacts {
  readonly name: string;
  readonly source: string;
  readonly about: string;
  readonly isBound: boolean;
}

/** A whole run of the lab. */
export interface LabResult {
  readonly title: string;
  /** ISO 8601. */
  readonly at: string;
  readonly command: string;
  readonly machine: MachineFacts;
  /** Identifies the simulating code: equal specs under equal fingerprints give equal cells. */
  readonly fingerprint: string;
  readonly policies: readonly PolicyFacts[];
  /** In the order of the grid; those that were never run (Ctrl-C) are missing. */
  readonly cells: readonly CellResult[];
  readonly missingCells: number;
  readonly workers: number;
  readonly wallSeconds: number;
  readonly bars: readonly Bar[];
}
