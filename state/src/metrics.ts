import type { Metrics } from "@warmpath/runtime";
import type { LogObserver } from "./log/log-observer.ts";
import { type LaneName, laneNames } from "./log/types.ts";

const msPerSecond = 1000;

/** Sizes of append groups, up to the largest that is configured by default. */
const groupSizeBuckets = [1, 2, 4, 8, 16, 32, 64];

/** The figures of the task log, in any process that appends. */
export function createLogMetrics(metrics: Metrics): LogObserver {
  const groups = metrics.histogram({
    name: "warmpath_log_group_appends",
    help: "Appends that shared one transaction.",
    buckets: groupSizeBuckets,
  });
  const events = metrics.counter({
    name: "warmpath_log_events_total",
    help: "Events recorded.",
  });
  const appends = metrics.histogram({
    name: "warmpath_log_append_seconds",
    help: "Time from asking for an append to its commit or refusal.",
    labels: ["outcome"],
  });
  const claims = metrics.histogram({
    name: "warmpath_log_claim_seconds",
    help: "Time of a claim; refused ones lost a race or came for a task that is not ready.",
    labels: ["outcome"],
  });
  return {
    group: (size) => groups.observe(size),
    append(isCommitted, count, ms) {
      appends.observe({ outcome: isCommitted ? "committed" : "refused" }, ms / msPerSecond);
      events.inc(count);
    },
    claim(isGranted, ms) {
      claims.observe({ outcome: isGranted ? "granted" : "refused" }, ms / msPerSecond);
    },
  };
}

/** What the state server tells of its queue and sweeps. */
export interface StateMetrics {
  depth(lanes: Readonly<Record<LaneName, number>>): void;
  redispatched(count: number): void;
  sweepFailed(): void;
}

/** The figures of the state server. */
export function createStateMetrics(metrics: Metrics): StateMetrics {
  const depth = metrics.gauge({
    name: "warmpath_state_queue_depth",
    help: "Dispatches that no worker has acknowledged, as the queue counts them: what to scale workers by.",
    labels: ["lane"],
  });
  const redispatched = metrics.counter({
    name: "warmpath_state_redispatched_total",
    help: "Tasks dispatched again because a lease expired or nobody claimed them.",
  });
  const failed = metrics.counter({
    name: "warmpath_state_sweep_failures_total",
    help: "Sweeps that failed and were repeated.",
  });
  return {
    depth(lanes) {
      for (const lane of laneNames) {
        depth.set({ lane }, lanes[lane]);
      }
    },
    redispatched: (count) => redispatched.inc(count),
    sweepFailed: () => failed.inc(),
  };
}
