import type { Counter, Metrics } from "@warmpath/runtime";

/** What routing counts. */
export interface RouteMetrics {
  readonly routes: Counter<"rule" | "model" | "kind">;
}

/** Models and rules come from the operator's table, so they are few. */
export function routeMetrics(metrics: Metrics): RouteMetrics {
  return {
    routes: metrics.counter({
      name: "warmpath_inference_proxy_routes_total",
      help: "Requests by the line of the routing table, the model that served them, and why it did.",
      labels: ["rule", "model", "kind"],
    }),
  };
}
