import type { Counter, Gauge, Histogram, Metrics } from "@warmpath/runtime";

/** What is counted of engines' KV events. */
export interface KvEventsMetrics {
  readonly events: Counter<"replica" | "type">;
  readonly forgotten: Counter<"replica" | "reason">;
  readonly replays: Counter<"replica">;
  readonly unreadable: Counter<"replica">;
  readonly lagSeconds: Histogram<"replica">;
  readonly trusted: Gauge<"replica">;
  readonly blocks: Gauge<"replica">;
  readonly predictions: Counter<"replica" | "result">;
}

/** Defines them; replicas come from the configuration, so they are few. */
export function createKvEventsMetrics(metrics: Metrics): KvEventsMetrics {
  return {
    events: metrics.counter({
      name: "warmpath_inference_proxy_kv_events_total",
      help: "Changes of a replica's prefix cache that its engine told, by type (stored, removed, cleared, unknown).",
      labels: ["replica", "type"],
    }),
    forgotten: metrics.counter({
      name: "warmpath_inference_proxy_kv_events_forgotten_total",
      help: "Times that all knowledge of a replica's cache was dropped, by reason (restart of the engine, or a hole that no replay could fill).",
      labels: ["replica", "reason"],
    }),
    replays: metrics.counter({
      name: "warmpath_inference_proxy_kv_event_replays_total",
      help: "Questions for missed batches; the first comes with each connection.",
      labels: ["replica"],
    }),
    unreadable: metrics.counter({
      name: "warmpath_inference_proxy_kv_events_unreadable_total",
      help: "Messages of an event stream that are no event batch.",
      labels: ["replica"],
    }),
    lagSeconds: metrics.histogram({
      name: "warmpath_inference_proxy_kv_event_lag_seconds",
      help: "From the engine's time stamp to the batch's arrival; clocks of two machines may differ.",
      labels: ["replica"],
      buckets: lagBucketsSeconds,
    }),
    trusted: metrics.gauge({
      name: "warmpath_inference_proxy_kv_events_trusted",
      help: "1 while a replica's events say what it has cached; 0 while our own history does.",
      labels: ["replica"],
    }),
    blocks: metrics.gauge({
      name: "warmpath_inference_proxy_kv_event_blocks",
      help: "Blocks in a replica's prefix cache by its events.",
      labels: ["replica"],
    }),
    predictions: metrics.counter({
      name: "warmpath_inference_proxy_cache_predictions_total",
      help: "Answers to token prompts by how the cached tokens foretold compare with those reported (equal, over, under).",
      labels: ["replica", "result"],
    }),
  };
}

/** Batches take 3 to 60 ms from a busy engine; a second means that something is wrong. */
const lagBucketsSeconds = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
