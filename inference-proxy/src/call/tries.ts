import type { RetryBudget } from "../breakers/index.ts";
import type { InferenceProxyMetrics } from "../metrics.ts";
import type { AttemptFailure, FailureKind } from "../upstream/failure.ts";

/** Bounds on the tries of one request. */
export interface TryLimits {
  readonly attemptsMax: number;
  readonly deathsMax: number;
}

/** What has been tried for one request, and whether there may be another try. */
export interface Tries {
  /** Replicas that failed. */
  readonly excluded: ReadonlySet<string>;
  /** The last failure; undefined before the first. */
  readonly failure: AttemptFailure | undefined;
  /** Engines that died, or connections that broke, under this request. */
  readonly deaths: number;
  begin(replica: string): void;
  /** True when another try may be made; it is then taken from the budget. */
  mayRetryAfter(failure: AttemptFailure): boolean;
}

/**
 * Failures after which the request itself may be the reason. So many of them end it, whatever else
 * there is left to try.
 */
const suspicious: ReadonlySet<FailureKind> = new Set(["died", "failed", "garbled", "timeout"]);

/** Failures that cost the upstream nothing: trying elsewhere moves load, and adds none. */
const free: ReadonlySet<FailureKind> = new Set(["unreachable", "leaving"]);

/** Begins with none; a request that is not retried earns others their retries. */
export function createTries(
  means: { readonly retries: RetryBudget; readonly metrics: InferenceProxyMetrics },
  limits: TryLimits,
  model: string,
): Tries {
  const excluded = new Set<string>();
  let attempts = 0;
  let blows = 0;
  let deaths = 0;
  let last: AttemptFailure | undefined;
  means.retries.earn();
  return {
    excluded,
    get failure() {
      return last;
    },
    get deaths() {
      return deaths;
    },
    begin: (replica) => {
      attempts += 1;
      excluded.add(replica);
    },
    mayRetryAfter: (failure) => {
      last = failure;
      deaths += failure.kind === "died" ? 1 : 0;
      blows += suspicious.has(failure.kind) ? 1 : 0;
      const isSpent = attempts >= limits.attemptsMax || blows >= limits.deathsMax;
      if (failure.kind === "refused" || isSpent) {
        return false;
      }
      const isAllowed = free.has(failure.kind) || means.retries.take();
      if (!isAllowed) {
        means.metrics.retriesRefused.inc({ model });
      }
      return isAllowed;
    },
  };
}
