import type { Clock } from "@warmpath/runtime/base";
import type { RetryBudget } from "../breakers/index.ts";
import type { ReplicaPaces } from "../learn/index.ts";
import type { InferenceProxyMetrics } from "../metrics.ts";
import type { AttemptFailure, FailureKind } from "../upstream/failure.ts";
import type { Pool } from "../upstream/pool.ts";
import type { CallRequest } from "./types.ts";

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

/**
 * Failures that cost the upstream nothing: trying elsewhere moves load, and adds none. There are
 * at most as many as replicas, so they need no other bound.
 */
const free: ReadonlySet<FailureKind> = new Set(["unreachable", "leaving"]);

/** What retrying needs of the process. */
export interface TryMeans {
  readonly retries: RetryBudget;
  readonly metrics: InferenceProxyMetrics;
  readonly clock: Clock;
  readonly pool: Pool;
  readonly paces: ReplicaPaces;
}

/**
 * Begins with the deaths of the same request's earlier lives, if it had any. Each request earns a
 * share of a retry, its own or another's.
 */
export function createTries(
  means: TryMeans,
  limits: TryLimits,
  request: Pick<CallRequest, "model" | "deadlineAtMs">,
  deathsBefore: number,
): Tries {
  means.retries.earn();
  return new TriesOfRequest(means, limits, request, deathsBefore);
}

const nobody: ReadonlySet<string> = new Set();

class TriesOfRequest implements Tries {
  failure: AttemptFailure | undefined;
  deaths: number;
  readonly #means: TryMeans;
  readonly #limits: TryLimits;
  readonly #request: Pick<CallRequest, "model" | "deadlineAtMs">;
  /** Made for the second try: most requests have one. */
  #excluded: Set<string> | undefined;
  #lastTried = "";
  #costly = 0;
  #blows: number;

  constructor(
    means: TryMeans,
    limits: TryLimits,
    request: Pick<CallRequest, "model" | "deadlineAtMs">,
    deathsBefore: number,
  ) {
    this.#means = means;
    this.#limits = limits;
    this.#request = request;
    this.#blows = deathsBefore;
    this.deaths = deathsBefore;
  }

  get excluded(): ReadonlySet<string> {
    return this.#excluded ?? nobody;
  }

  begin(replica: string): void {
    this.#lastTried = replica;
  }

  mayRetryAfter(failure: AttemptFailure): boolean {
    const means = this.#means;
    const limits = this.#limits;
    this.failure = failure;
    this.#excluded ??= new Set();
    this.#excluded.add(this.#lastTried);
    const isFree = free.has(failure.kind);
    this.#costly += isFree ? 0 : 1;
    this.deaths += failure.kind === "died" ? 1 : 0;
    this.#blows += suspicious.has(failure.kind) ? 1 : 0;
    const isSpent = this.#costly >= limits.attemptsMax || this.#blows >= limits.deathsMax;
    if (failure.kind === "refused" || isSpent || isTooLate(means, this.#request)) {
      return false;
    }
    const isAllowed = isFree || means.retries.take();
    if (!isAllowed) {
      means.metrics.retriesRefused.inc({ model: this.#request.model });
    }
    return isAllowed;
  }
}

/** True when not even the fastest replica would begin to answer before the caller's deadline. */
function isTooLate(
  { clock, pool, paces }: TryMeans,
  { model, deadlineAtMs }: Pick<CallRequest, "model" | "deadlineAtMs">,
): boolean {
  if (deadlineAtMs === undefined) {
    return false;
  }
  const firstEventsMs = pool.endpoints
    .filter(({ healthy, models }) => healthy && models.has(model))
    .map(({ name }) => paces.paceOf(name).firstEventMs ?? 0);
  return clock.monotonicMs() + Math.min(...firstEventsMs) > deadlineAtMs;
}
