import type { Clock } from "@warmpath/runtime/base";

/**
 * How many retries there may be: each request earns a share of one, and a reserve lets the requests
 * of one replica that dies be moved at once. So an outage adds at most that share to the load.
 */
export interface RetryBudget {
  /** A request came in. */
  earn(): void;
  /** Takes one retry; false when there is none left. */
  take(): boolean;
  /** Retries that may be made now. */
  readonly left: number;
}

/** Limits of a {@link RetryBudget}. */
export interface RetryBudgetLimits {
  /** Retries that each request earns, 0 to 1. */
  readonly share: number;
  /** Most retries that are saved up; it begins with as many. */
  readonly reserve: number;
  /** Retries earned in every second, so that a proxy with little traffic recovers too. */
  readonly perSecond: number;
}

/** Begins with the whole reserve. */
export function createRetryBudget(options: {
  readonly limits: RetryBudgetLimits;
  readonly clock: Clock;
}): RetryBudget {
  const { limits, clock } = options;
  let left = limits.reserve;
  let filledAtMs = clock.monotonicMs();

  const fill = () => {
    const nowMs = clock.monotonicMs();
    const earned = ((nowMs - filledAtMs) / 1000) * limits.perSecond;
    filledAtMs = nowMs;
    left = Math.min(limits.reserve, left + earned);
  };
  return {
    earn: () => {
      left = Math.min(limits.reserve, left + limits.share);
    },
    take: () => {
      fill();
      if (left < 1) {
        return false;
      }
      left -= 1;
      return true;
    },
    get left() {
      fill();
      return Math.floor(left);
    },
  };
}
