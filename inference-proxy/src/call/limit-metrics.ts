import type { Counter, Gauge, Metrics } from "@warmpath/runtime";

/** What limits and prices count. */
export interface PaceMetrics {
  /** Requests refused, by the kind and the scope of the limit: both come from configuration. */
  readonly refusals: Counter<"kind" | "scope">;
  readonly storeAway: Gauge;
}

/** Defines them; part of the proxy's metrics. */
export function paceMetrics(metrics: Metrics): PaceMetrics {
  return {
    refusals: metrics.counter({
      name: "warmpath_inference_proxy_limit_refusals_total",
      help: "Requests refused by a limit, by what it counts and what it is bound to.",
      labels: ["kind", "scope"],
    }),
    storeAway: metrics.gauge({
      name: "warmpath_inference_proxy_limit_store_away",
      help: "1 while the store of shared limits does not answer.",
    }),
  };
}
