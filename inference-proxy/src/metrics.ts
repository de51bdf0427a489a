import {
  type Counter,
  type Gauge,
  type Histogram,
  latencyBucketsSeconds,
  type Metrics,
} from "@warmpath/runtime";
import { type AnswerCacheMetrics, createAnswerCacheMetrics } from "./answer-cache/metrics.ts";
import { type BreakerMetrics, breakerMetrics } from "./breakers/metrics.ts";
import { type PaceMetrics, paceMetrics } from "./call/limit-metrics.ts";
import { type PromptMetrics, promptMetrics } from "./call/prompt-metrics.ts";
import { createKvEventsMetrics, type KvEventsMetrics } from "./kv-events/index.ts";
import { type PeerMetrics, peerMetrics } from "./peers/metrics.ts";
import { type RouteMetrics, routeMetrics } from "./providers/route/index.ts";
import { type ReceiptMetrics, receiptMetrics } from "./receipts/metrics.ts";
import { createSessionMetrics, type SessionMetrics } from "./sessions/metrics.ts";

/** Everything the proxy counts. */
export interface InferenceProxyMetrics
  extends PaceMetrics,
    BreakerMetrics,
    RouteMetrics,
    PromptMetrics,
    ReceiptMetrics {
  /** Calls by outcome, once each. */
  readonly calls: Counter<"operation" | "model" | "replica" | "outcome">;
  /** Tries of upstreams by how they went. */
  readonly attempts: Counter<"replica" | "outcome">;
  readonly tokens: Counter<"model" | "kind">;
  readonly costNanodollars: Counter<"model">;
  readonly firstEventSeconds: Histogram<"model" | "replica">;
  readonly interTokenSeconds: Histogram<"model" | "replica">;
  readonly durationSeconds: Histogram<"operation" | "model">;
  readonly placementSeconds: Histogram<"lane">;
  readonly inFlight: Gauge<"replica">;
  readonly learnedFirstEventSeconds: Gauge<"replica">;
  readonly waiting: Gauge;
  readonly waitingBytes: Gauge;
  readonly queueEstimateSeconds: Gauge<"model" | "lane">;
  readonly healthy: Gauge<"replica">;
  readonly modelReplicas: Gauge<"model">;
  readonly keyLookUps: Counter<"result">;
  readonly answerCache: AnswerCacheMetrics;
  readonly kvEvents: KvEventsMetrics;
  readonly sessions: SessionMetrics;
  readonly peers: PeerMetrics;
}

/**
 * Defines the proxy's metrics; models and replicas come from upstreams and configuration, so they
 * are few.
 */
export function createInferenceProxyMetrics(
  metrics: Metrics,
  queue: { waiting(): number; waitingBytes(): number } = emptyQueue,
  answers?: { bytes(): number; count(): number },
): InferenceProxyMetrics {
  return {
    ...callMetrics(metrics),
    ...paceMetrics(metrics),
    ...routeMetrics(metrics),
    ...promptMetrics(metrics),
    answerCache: createAnswerCacheMetrics(metrics, answers),
    ...receiptMetrics(metrics),
    ...peerMetrics(metrics),
    ...breakerMetrics(metrics),
    kvEvents: createKvEventsMetrics(metrics),
    sessions: createSessionMetrics(metrics),
    inFlight: metrics.gauge({
      name: "warmpath_inference_proxy_replica_in_flight",
      help: "Requests of this proxy at a replica now.",
      labels: ["replica"],
    }),
    learnedFirstEventSeconds: metrics.gauge({
      name: "warmpath_inference_proxy_replica_first_event_seconds",
      help: "Time to the first event that is expected of a replica, learned from its latest streams.",
      labels: ["replica"],
    }),
    waiting: metrics.gauge({
      name: "warmpath_inference_proxy_queue_requests",
      help: "Requests that wait for a place at a replica now.",
      collect: () => queue.waiting(),
    }),
    queueEstimateSeconds: metrics.gauge({
      name: "warmpath_inference_proxy_queue_estimate_seconds",
      help: "What a request that joins the queue now would wait, by the places that came free lately; no series where nobody waits.",
      labels: ["model", "lane"],
    }),
    waitingBytes: metrics.gauge({
      name: "warmpath_inference_proxy_queue_bytes",
      help: "Body bytes of the requests that wait now.",
      collect: () => queue.waitingBytes(),
    }),
    healthy: metrics.gauge({
      name: "warmpath_inference_proxy_replica_healthy",
      help: "1 while a replica takes requests.",
      labels: ["replica"],
    }),
    modelReplicas: metrics.gauge({
      name: "warmpath_inference_proxy_model_replicas",
      help: "Healthy replicas that serve a model; 0 for one that is declared and has none, and for a while for one that was served.",
      labels: ["model"],
    }),
    keyLookUps: metrics.counter({
      name: "warmpath_inference_proxy_key_lookups_total",
      help: "API keys looked up, by where the answer came from.",
      labels: ["result"],
    }),
  };
}

/** For documentation, which needs the definitions only. */
const emptyQueue = { waiting: () => 0, waitingBytes: () => 0 };

function callMetrics(metrics: Metrics) {
  return {
    calls: metrics.counter({
      name: "warmpath_inference_proxy_calls_total",
      help: "Model calls that ended, by outcome (done, cut, cancelled, or the reason of the error).",
      labels: ["operation", "model", "replica", "outcome"],
    }),
    attempts: metrics.counter({
      name: "warmpath_inference_proxy_attempts_total",
      help: "Tries of an upstream, by outcome (opened, fault, or the kind of failure).",
      labels: ["replica", "outcome"],
    }),
    tokens: metrics.counter({
      name: "warmpath_inference_proxy_tokens_total",
      help: "Tokens accounted, by kind (input, cached_input, cache_write, output, reasoning); parts are counted in input and output too.",
      labels: ["model", "kind"],
    }),
    costNanodollars: metrics.counter({
      name: "warmpath_inference_proxy_cost_nanodollars_total",
      help: "Cost of accounted tokens, in 1e-9 US dollars.",
      labels: ["model"],
    }),
    firstEventSeconds: metrics.histogram({
      name: "warmpath_inference_proxy_time_to_first_event_seconds",
      help: "From sending a streamed request to its first event.",
      labels: ["model", "replica"],
    }),
    interTokenSeconds: metrics.histogram({
      name: "warmpath_inference_proxy_inter_token_seconds",
      help: "Mean time between the tokens of one stream.",
      labels: ["model", "replica"],
      buckets: latencyBucketsSeconds,
    }),
    durationSeconds: metrics.histogram({
      name: "warmpath_inference_proxy_call_duration_seconds",
      help: "From admission to the end of the answer.",
      labels: ["operation", "model"],
    }),
    placementSeconds: metrics.histogram({
      name: "warmpath_inference_proxy_placement_seconds",
      help: "Wait for a place at a replica.",
      labels: ["lane"],
    }),
  } as const;
}
