import type { Metrics } from "@warmpath/runtime";

/** What the gateway counts beside the requests, which `runtime` counts for every service. */
export type GatewayMetrics = ReturnType<typeof createGatewayMetrics>;

/** Every metric of the gateway; docs/METRICS.md is made from these definitions. */
export function createGatewayMetrics(metrics: Metrics) {
  return {
    keyLookups: metrics.counter({
      name: "warmpath_gateway_key_lookups_total",
      help: "API keys checked, by where the answer came from: cache, state, or error.",
      labels: ["from"],
    }),
    refusals: metrics.counter({
      name: "warmpath_gateway_refusals_total",
      help: "Requests refused at the door: key, requests_per_minute, or lookups.",
      labels: ["limit"],
    }),
    watchers: metrics.gauge({
      name: "warmpath_gateway_watchers",
      help: "Watching streams open now, those of /chat included.",
    }),
    watchedTasks: metrics.gauge({
      name: "warmpath_gateway_watched_tasks",
      help: "Tasks that at least one stream of this process watches; each is one bus subscription.",
    }),
    sseStreams: metrics.gauge({
      name: "warmpath_gateway_sse_streams",
      help: "Server-sent event streams of /chat open now.",
    }),
    httpRequests: metrics.counter({
      name: "warmpath_gateway_http_requests_total",
      help: "Requests of the JSON routes and the page, by route and status.",
      labels: ["route", "status"],
    }),
  };
}
