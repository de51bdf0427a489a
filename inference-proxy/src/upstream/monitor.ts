import type { Clock, Logger } from "@warmpath/runtime/base";
import type { Pool } from "./pool.ts";
import { type ProbeLimits, unreachableReason } from "./probe.ts";
import { isVacant, type ReplicaAddress, type ReplicaFacts } from "./replica.ts";

/** How often to look, and when to give up on a replica. */
export interface MonitorLimits extends ProbeLimits {
  readonly intervalMs: number;
  /**
   * Probes that must fail in a row before a replica is taken out; a request that is refused does it
   * at once.
   */
  readonly failuresMax: number;
}

/** Probes every upstream for ever. */
export interface Monitor {
  /** Resolves when each upstream has been probed once. */
  readonly firstRound: Promise<void>;
  close(): void;
}

/** Asks one upstream how it is; throws when it does not answer, or is not well. */
export type Probe = (
  address: ReplicaAddress,
  limits: ProbeLimits,
  clock: Clock,
) => Promise<ReplicaFacts>;

/** One loop per upstream, so that a slow one does not delay the news of the others. */
export function startMonitor(options: {
  readonly pool: Pool;
  readonly limits: MonitorLimits;
  readonly probe: Probe;
  readonly clock: Clock;
  readonly log: Logger;
}): Monitor {
  const closed = new AbortController();
  const names = options.pool.replicas.map(({ address }) => address.name);
  const firsts = names.map((name) => {
    const probe = createProbe(name, options);
    const look = async (): Promise<void> => {
      try {
        await probe();
      } catch (error) {
        // Whoever is told of the news threw: that must not end the looking.
        options.log.error("what a probe found could not be told", { replica: name, error });
      }
    };
    const first = look();
    const run = async (): Promise<void> => {
      await first;
      while (!closed.signal.aborted) {
        await options.clock.sleep(restMsOf(name, options), closed.signal);
        await look();
      }
    };
    // The sleep rejects only when the monitor is closed, and then there is nothing left to do.
    run().catch(() => undefined);
    return first;
  });
  return {
    firstRound: Promise.all(firsts).then(() => undefined),
    close: () => closed.abort(),
  };
}

/**
 * A healthy server that is not vLLM shows no load that would be worth a look, and may be a provider
 * that counts our requests.
 */
const restFactorOfProviders = 10;

/**
 * A hosted provider limits the requests of a key, looks included: about one a minute while it is
 * well, and six while it is not, since a request of ours finds out sooner anyway.
 */
const restFactorOfHosted = 60;

function restMsOf(name: string, { pool, limits }: Parameters<typeof startMonitor>[0]): number {
  const replica = pool.find(name);
  const isWell = replica?.facts.healthy === true;
  if (replica?.address.provider !== undefined) {
    return limits.intervalMs * (isWell ? restFactorOfHosted : restFactorOfProviders);
  }
  return limits.intervalMs * (isWell && replica.facts.kind !== "vllm" ? restFactorOfProviders : 1);
}

function createProbe(
  name: string,
  { pool, limits, probe, clock, log }: Parameters<typeof startMonitor>[0],
): () => Promise<void> {
  let failures = 0;
  return async () => {
    const before = pool.find(name);
    if (before === undefined || isVacant(before.address)) {
      failures = 0;
      return;
    }
    /** What was asked says nothing of another pod that has the place since. */
    const isAnother = () => pool.find(name)?.address !== before.address;
    let facts: ReplicaFacts;
    try {
      facts = await probe(before.address, limits, clock);
    } catch (error) {
      if (isAnother()) {
        return;
      }
      failures += 1;
      const isOut = failures >= limits.failuresMax || !before.facts.healthy;
      if (isOut) {
        const unhealthyReason = unreachableReason(error);
        if (before.facts.unhealthyReason !== unhealthyReason) {
          log.warn("upstream is unhealthy", { replica: name, reason: unhealthyReason });
        }
        pool.update(name, { healthy: false, unhealthyReason });
      }
      return;
    }
    failures = 0;
    if (isAnother()) {
      return;
    }
    if (!before.facts.healthy) {
      log.info("upstream is healthy", { replica: name, engine: facts.engine });
    }
    pool.update(name, facts);
  };
}
