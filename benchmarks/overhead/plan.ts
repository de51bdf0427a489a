/** A body size, and the open loop that its latency is measured at. */
export interface BodyPlan {
  readonly bytes: number;
  readonly ratePerSecond: number;
}

/** So many streams at once, each of so many tokens at its own pace. */
export interface StreamPlan {
  readonly streams: number;
  readonly tokens: number;
  readonly intervalMs: number;
}

/** Sizes of one run of the bench. */
export interface OverheadPlan {
  readonly rounds: number;
  /** Starts each contender anew for the streams. */
  readonly freshParts: boolean;
  readonly bodies: readonly BodyPlan[];
  /** Connections of the closed loop. */
  readonly connections: number;
  /** Longest wait for a contender to come to rest after its start, or after it was saturated. */
  readonly settleMsMax: number;
  /** Before each load. */
  readonly warmupMs: number;
  /**
   * How long a started contender first serves whole answers of 1 KB, and then streams of ten tokens
   * as fast as they come, untimed: what runs in production is no young process, whose code a
   * compiler has not seen yet. A runtime like ours is still compiling after ten seconds.
   */
  readonly agingMs: number;
  readonly durationMs: number;
  readonly streams: readonly StreamPlan[];
  /** Measured once the first streams have run their length. */
  readonly streamsMs: number;
  /** Absent: nobody leaves. */
  readonly leave?: {
    readonly streams: number;
    readonly intervalMs: number;
    readonly watchMs: number;
  };
}

/** The streams with which a contender is aged. */
export const agingStreams: StreamPlan = { streams: 64, tokens: 10, intervalMs: 2 };

/** What half the answers of Mooncake's conversations have at most (`benchmarks/workloads`). */
const answerTokens = 350;

/** Bytes of a body that streams are asked for with. */
export const streamBodyBytes = 1_000;

/** The sizes that figures are quoted from: about eleven minutes a contender. */
export const fullPlan: OverheadPlan = {
  rounds: 4,
  freshParts: true,
  bodies: [
    { bytes: 1_000, ratePerSecond: 300 },
    { bytes: 10_000, ratePerSecond: 300 },
    { bytes: 150_000, ratePerSecond: 100 },
    { bytes: 1_000_000, ratePerSecond: 20 },
  ],
  connections: 64,
  settleMsMax: 30_000,
  warmupMs: 4_000,
  agingMs: 12_000,
  durationMs: 4_000,
  streams: [
    { streams: 1, tokens: 40, intervalMs: 5 },
    { streams: 64, tokens: answerTokens, intervalMs: 10 },
    { streams: 256, tokens: answerTokens, intervalMs: 25 },
    { streams: 1_024, tokens: answerTokens, intervalMs: 100 },
  ],
  streamsMs: 8_000,
  leave: { streams: 64, intervalMs: 50, watchMs: 2_000 },
};

/**
 * The same loads for about a tenth of the time, with answers so short that asking for them shows in
 * the cost of a token; its figures are too noisy to quote.
 */
export const quickPlan: OverheadPlan = {
  ...fullPlan,
  rounds: 2,
  warmupMs: 200,
  agingMs: 2_000,
  durationMs: 700,
  streams: [
    { streams: 1, tokens: 40, intervalMs: 5 },
    { streams: 64, tokens: 40, intervalMs: 10 },
    { streams: 256, tokens: 20, intervalMs: 25 },
    { streams: 1_024, tokens: 10, intervalMs: 100 },
  ],
  streamsMs: 700,
  leave: { streams: 16, intervalMs: 50, watchMs: 500 },
};

/** Enough to see that nothing is broken. */
export const tinyPlan: OverheadPlan = {
  rounds: 1,
  freshParts: false,
  bodies: [
    { bytes: 1_000, ratePerSecond: 50 },
    { bytes: 150_000, ratePerSecond: 50 },
  ],
  connections: 4,
  settleMsMax: 0,
  warmupMs: 30,
  agingMs: 30,
  durationMs: 60,
  streams: [{ streams: 4, tokens: 10, intervalMs: 10 }],
  streamsMs: 60,
  leave: { streams: 4, intervalMs: 20, watchMs: 60 },
};
