import type { Clock } from "@warmpath/runtime/base";
import type { ReplicaPaces } from "../learn/index.ts";
import type { InferenceProxyMetrics } from "../metrics.ts";
import type { Placer } from "../pick/index.ts";
import type { Pool, Replica } from "../upstream/pool.ts";
import { isVacant } from "../upstream/replica.ts";
import { declaredModels } from "./models.ts";
import type { Placement } from "./placement.ts";

function reportQueue({ queueEstimateSeconds }: InferenceProxyMetrics, placement: Placement): void {
  queueEstimateSeconds.reset();
  for (const { model, lane, estimateMs } of placement.lines()) {
    if (estimateMs !== undefined) {
      queueEstimateSeconds.set({ model, lane }, estimateMs / 1000);
    }
  }
}

/** What the gauges are read from. */
interface LoadSources {
  readonly config: Parameters<typeof declaredModels>[0] & { readonly modelKeptMs: number };
  readonly pool: Pool;
  readonly clock: Clock;
  readonly placement: Placement;
  readonly placer: Placer;
  readonly paces: ReplicaPaces;
}

/** A reporter that sets the gauges which are only worth computing when somebody reads them. */
export function createLoadReport(metrics: InferenceProxyMetrics, read: LoadSources): () => void {
  const reportModels = createModelReport(metrics, {
    pool: read.pool,
    clock: read.clock,
    declared: declaredModels(read.config),
    keptMs: read.config.modelKeptMs,
  });
  return () => {
    reportReplicas(metrics, read);
    reportModels();
  };
}

function reportReplicas(
  metrics: InferenceProxyMetrics,
  { pool, placement, placer, paces }: LoadSources,
): void {
  reportQueue(metrics, placement);
  const { gate } = placer;
  metrics.sessions.remembered.set(gate.size);
  for (const [index, { address }] of pool.replicas.entries()) {
    const replica = address.name;
    if (isVacant(address)) {
      forgetReplica(metrics, replica);
      continue;
    }
    metrics.sessions.neededTokens.set({ replica }, gate.usedTokens(index));
    metrics.sessions.share.set({ replica }, gate.shareOf(index));
    metrics.inFlight.set({ replica }, placer.inFlight(replica));
    const { firstEventMs } = paces.paceOf(replica);
    if (firstEventMs !== undefined) {
      metrics.learnedFirstEventSeconds.set({ replica }, firstEventMs / 1000);
    }
  }
}

/** A place that no pod has shows nothing: a 0 would look like a replica that is out. */
function forgetReplica(metrics: InferenceProxyMetrics, replica: string): void {
  const { sessions, inFlight, learnedFirstEventSeconds } = metrics;
  for (const gauge of [sessions.neededTokens, sessions.share, inFlight, learnedFirstEventSeconds]) {
    gauge.remove({ replica });
  }
}

/** What says which models there are. */
export interface ModelSources {
  readonly pool: Pick<Pool, "replicas">;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Models that configuration names: they are wanted, whether or not anybody serves them. */
  readonly declared: ReadonlySet<string>;
  /** How long a model stays in sight that is named nowhere and that no upstream lists. */
  readonly keptMs: number;
}

/**
 * A reporter of how many healthy replicas each model has. One that has lost its last replica stays
 * in sight with 0, since a series that ends looks like a scrape that failed: for as long as
 * configuration names it or an upstream that is out lists it, else until it was not seen for
 * `keptMs`. Pods that are gone for good list nothing.
 */
export function createModelReport(
  metrics: Pick<InferenceProxyMetrics, "modelReplicas">,
  { pool, clock, declared, keptMs }: ModelSources,
): () => void {
  const seenAtMs = new Map<string, number>();
  return () => {
    const nowMs = clock.monotonicMs();
    const healthy = new Map([...declared].map((model) => [model, 0]));
    for (const { address, facts } of pool.replicas) {
      for (const { id } of isVacant(address) ? [] : facts.models) {
        healthy.set(id, (healthy.get(id) ?? 0) + (facts.healthy ? 1 : 0));
      }
    }
    for (const [model, count] of healthy) {
      seenAtMs.set(model, nowMs);
      metrics.modelReplicas.set({ model }, count);
    }
    for (const [model, atMs] of seenAtMs) {
      if (nowMs - atMs > keptMs) {
        seenAtMs.delete(model);
        metrics.modelReplicas.remove({ model });
      } else if (!healthy.has(model)) {
        metrics.modelReplicas.set({ model }, 0);
      }
    }
  };
}

/** Keeps the gauge of health true; only what has changed: every probe of every replica is news. */
export function reportHealth(metrics: InferenceProxyMetrics, pool: Pool): void {
  let before: Pool["replicas"] = [];
  const report = () => {
    const { replicas } = pool;
    for (let index = 0; index < replicas.length; index += 1) {
      const { name: replica } = replicas[index]!.address;
      const shown = shownHealth(replicas[index]);
      if (shown !== shownHealth(before[index])) {
        if (shown === undefined) {
          metrics.healthy.remove({ replica });
        } else {
          metrics.healthy.set({ replica }, shown);
        }
      }
    }
    before = replicas;
  };
  report();
  pool.onChange(report);
}

/** Undefined where there is nothing to be healthy. */
function shownHealth(replica: Replica | undefined): 0 | 1 | undefined {
  if (replica === undefined || isVacant(replica.address)) {
    return undefined;
  }
  return replica.facts.healthy ? 1 : 0;
}
