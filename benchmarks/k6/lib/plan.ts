/** What the runner hands to a scenario, as JSON in one environment variable. */
export interface K6Plan {
  readonly scenario: string;
  readonly gatewayGrpc: string;
  readonly proxyUrl: string;
  readonly proxyGrpc: string;
  readonly key: string;
  /** The key of a second tenant, where the scenario has one. */
  readonly noisyKey: string;
  readonly protoset: string;
  /** Sessions drawn from a workload; empty for scenarios that talk to an agent. */
  readonly sessionsPath: string;
  readonly outFolder: string;
  readonly durationSeconds: number;
  readonly sessionsPerSecond: number;
  /** Sessions under way at once; more are dropped, and a dropped one fails the run. */
  readonly sessionsMax: number;
  readonly thinkSeconds: number;
  /** When the runner kills a replica, in seconds after the start; 0 for never. */
  readonly killAfterSeconds: number;
  /** How proxy calls are made: see `lib/call-model.ts`. */
  readonly transport: "sse" | "grpc" | "http";
  /** Whether latency thresholds are set; a tiny run only shows that the scenario works. */
  readonly withLatencyBars: boolean;
}

/** A session as the runner writes it down for k6: what is said, not how it is spelt. */
export interface PlannedSession {
  readonly id: string;
  readonly tenant: string;
  readonly sloClass: "interactive" | "agent" | "batch";
  readonly turns: readonly PlannedTurn[];
}

/** One turn; `fresh` is what the prompt has beyond the turn before and its answer. */
export interface PlannedTurn {
  readonly fresh: readonly (readonly [content: number, tokens: number])[];
  /** True when `fresh` is the whole prompt: the first turn, or a rewritten context. */
  readonly isWhole: boolean;
  readonly outputTokens: number;
  readonly gapBeforeMs: number;
  /** The client leaves after so many events; 0 stays. */
  readonly leaveAfterEvents: number;
}
