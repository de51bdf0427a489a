import type { ReplicaPaces } from "../learn/index.ts";
import type { InferenceProxyMetrics } from "../metrics.ts";
import type { Placer } from "../pick/index.ts";
import type { Pool, Replica } from "../upstream/pool.ts";
import { isVacant } from "../upstream/replica.ts";
import type { Models } from "./models.ts";
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
  readonly pool: Pool;
  readonly placement: Placement;
  readonly placer: Placer;
  readonly paces: ReplicaPaces;
  readonly models: Models;
}

/** A reporter that sets the gauges which are only worth computing when somebody reads them. */
export function createLoadReport(metrics: InferenceProxyMetrics, read: LoadSources): () => void {
  const reportModels = createModelReport(metrics, read.models);
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

/**
 * A reporter of how many healthy replicas each model has. A model that was served once and has lost
 * its last replica stays in sight with 0: a series that ends looks like a scrape that failed.
 */
export function createModelReport(
  metrics: Pick<InferenceProxyMetrics, "modelReplicas">,
  models: Pick<Models, "list">,
): () => void {
  const seen = new Set<string>();
  return () => {
    const listed = models.list();
    for (const model of seen) {
      metrics.modelReplicas.set({ model }, 0);
    }
    for (const { id: model, healthyReplicas } of listed) {
      seen.add(model);
      metrics.modelReplicas.set({ model }, healthyReplicas);
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
