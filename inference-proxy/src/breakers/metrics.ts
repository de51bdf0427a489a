import type { Counter, Gauge, Metrics } from "@warmpath/runtime";

/** What breakers and retries count. */
export interface BreakerMetrics {
  readonly breakerState: Gauge<"replica" | "model">;
  readonly breakerOpenings: Counter<"replica" | "model">;
  readonly retriesRefused: Counter<"model">;
  readonly poisonRefused: Counter<"reason">;
  readonly modelFailovers: Counter<"model" | "fallback">;
}

/** Defines them; an empty model stands for a whole replica. */
export function breakerMetrics(metrics: Metrics): BreakerMetrics {
  return {
    breakerState: metrics.gauge({
      name: "warmpath_inference_proxy_breaker_state",
      help: "0 while requests pass, 1 while a few may try, 2 while none may; without a model: all of the replica's.",
      labels: ["replica", "model"],
    }),
    breakerOpenings: metrics.counter({
      name: "warmpath_inference_proxy_breaker_openings_total",
      help: "Times that a replica, or a model at it, was taken out for failing.",
      labels: ["replica", "model"],
    }),
    modelFailovers: metrics.counter({
      name: "warmpath_inference_proxy_model_failovers_total",
      help: "Calls that went to the model declared for the outage of the one that was asked for.",
      labels: ["model", "fallback"],
    }),
    poisonRefused: metrics.counter({
      name: "warmpath_inference_proxy_poison_refused_total",
      help: "Requests refused for ending engines: named when a second one died, known when they came again.",
      labels: ["reason"],
    }),
    retriesRefused: metrics.counter({
      name: "warmpath_inference_proxy_retries_refused_total",
      help: "Retries that were not made because the retry budget was spent.",
      labels: ["model"],
    }),
  };
}
