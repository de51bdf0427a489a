import type { Clock, Logger, Random } from "@warmpath/runtime/base";
import {
  type BreakerLimits,
  type Breakers,
  createBreakers,
  createRetryBudget,
  type RetryBudget,
} from "./breakers/index.ts";
import type { InferenceProxyConfig } from "./config.ts";
import { createLiveness, type Liveness, type ReplicaSight } from "./liveness/index.ts";
import type { InferenceProxyMetrics } from "./metrics.ts";
import {
  createPoisonMemory,
  createQuarantine,
  type PoisonMemory,
  type Quarantine,
} from "./poison/index.ts";
import type { Pool } from "./upstream/pool.ts";
import { startRecovery } from "./upstream/recovery.ts";

/** What keeps one replica's failure from becoming everybody's. */
export interface Resilience {
  readonly breakers: Breakers;
  readonly retries: RetryBudget;
  readonly liveness: Liveness;
  readonly quarantine: Quarantine;
  readonly poison: PoisonMemory;
  /** Joins the breakers with the pool, once there is one to tell. */
  start(parts: { readonly metrics: InferenceProxyMetrics }): void;
  close(): void;
}

/** So that a proxy with little traffic has retries again after an outage. */
const retriesPerSecond = 1;

/** About 100 bytes each; a tenant with more kinds of poison has a broken engine. */
const poisonBounds = { entriesMax: 100, tenantsMax: 1000 };

/** Builds it from the configuration; nothing runs before `start`. */
export function createResilience(options: {
  readonly config: InferenceProxyConfig;
  readonly pool: Pool;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}): Resilience {
  const { config, pool, clock, random, log } = options;
  const breakers = createBreakers({ limits: breakerLimitsOf(config), clock, random });
  const liveness = createLiveness({
    limits: config,
    clock,
    sightOf: (replica) => sightOf(pool, replica),
    onSilent: (replica, silentMs) =>
      breakers.trip(replica, `it gave no sign of life for ${silentMs} ms`),
  });
  let close = () => {};
  return {
    breakers,
    retries: createRetryBudget({
      clock,
      limits: {
        share: config.retryPercent / 100,
        reserve: config.retryReserve,
        perSecond: retriesPerSecond,
      },
    }),
    liveness,
    // Somebody who waits for a place may have been kept from this one.
    quarantine: createQuarantine({ onLeave: (replica) => pool.hold(replica, {}) }),
    poison: createPoisonMemory({ limits: { ...poisonBounds, ttlMs: config.poisonTtlMs }, clock }),
    start: ({ metrics }) => {
      const recovery = startRecovery({
        pool,
        breakers,
        limits: config,
        clock,
        log,
        metrics,
        onTrial: liveness.pardon,
      });
      close = () => recovery.close();
    },
    close: () => close(),
  };
}

/** What probes say of a replica, for whoever waits for it. */
function sightOf(pool: Pool, name: string): ReplicaSight {
  const facts = pool.find(name)?.facts;
  const { metrics } = facts ?? {};
  const isIdle = metrics !== undefined && metrics.running + metrics.waiting === 0;
  return {
    isHealthy: facts?.healthy ?? false,
    isSteady: facts?.kind === "vllm",
    idleAtMs: isIdle ? facts?.metricsAtMs : undefined,
    engineWaiting: metrics?.waiting ?? 0,
  };
}

function breakerLimitsOf(config: InferenceProxyConfig): BreakerLimits {
  return {
    windowMs: config.breakerWindowMs,
    requestsMin: config.breakerRequestsMin,
    failureShare: config.breakerFailurePercent / 100,
    slowFactor: config.breakerSlowFactor,
    slowMsMin: config.breakerSlowMsMin,
    cooldownMs: config.breakerCooldownMs,
    cooldownMsMax: config.breakerCooldownMsMax,
    trialsMax: config.breakerTrials,
  };
}
