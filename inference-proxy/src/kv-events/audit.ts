/** How a prediction of cached tokens compares with what the engine then reported. */
export type AuditResult = "equal" | "over" | "under";

/** Compares a prediction with the truth. */
export function compare(predictedTokens: number, reportedTokens: number): AuditResult {
  if (predictedTokens === reportedTokens) return "equal";
  return predictedTokens > reportedTokens ? "over" : "under";
}

/** Judges an engine's events by its answers. */
export interface Audit {
  /** Counts one answer; true when the events have been wrong too often to be believed. */
  isFailed(result: AuditResult): boolean;
  /** Everything was read anew: what was wrong before no longer counts. */
  reset(): void;
}

/**
 * Wrong answers beyond the right ones' credit after which the events are not believed. A burst of
 * equal prompts, or an eviction between decision and start, makes a few wrong by themselves.
 */
const wrongMax = 4;
/** What a right answer takes off: more than one wrong in five, for long, is too many. */
const credit = 0.25;

/** Starts without a word against the engine. */
export function createAudit(): Audit {
  let wrong = 0;
  return {
    isFailed(result) {
      wrong = result === "equal" ? Math.max(0, wrong - credit) : wrong + 1;
      return wrong >= wrongMax;
    },
    reset() {
      wrong = 0;
    },
  };
}

/** What a finished request tells about the events that must have come with it. */
export interface FinishedPrompt {
  /** On the monotonic clock. */
  readonly sentAtMs: number;
  readonly inputTokens: number;
  readonly cachedTokens: number;
}

/** Notices that requests finish while no event comes. */
export interface StallWatch {
  finished(prompt: FinishedPrompt, blockTokens: number, nowMs: number): void;
  heard(nowMs: number): void;
  /** True when an event is overdue. */
  isStalled(nowMs: number): boolean;
}

/** An event is overdue `stallMs` after the end of a request that must have stored a block. */
export function createStallWatch(stallMs: number): StallWatch {
  let heardAtMs = Number.NEGATIVE_INFINITY;
  let owedSinceMs: number | undefined;
  return {
    finished({ sentAtMs, inputTokens, cachedTokens }, blockTokens, nowMs) {
      const fullTokens = Math.floor(inputTokens / blockTokens) * blockTokens;
      const isOwed = fullTokens > cachedTokens && heardAtMs < sentAtMs;
      if (isOwed) owedSinceMs ??= nowMs;
    },
    heard(nowMs) {
      heardAtMs = nowMs;
      owedSinceMs = undefined;
    },
    isStalled: (nowMs) => owedSinceMs !== undefined && nowMs - owedSinceMs >= stallMs,
  };
}
