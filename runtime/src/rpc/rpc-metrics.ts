import type { Gauge, Histogram, Metrics } from "../telemetry/metrics.ts";

/** What every server counts about the calls it serves. */
export interface RpcMetrics {
  readonly durationSeconds: Histogram<"method" | "code">;
  readonly active: Gauge<"method">;
}

/** Metrics of served calls; labels are the methods of the contract and the status codes. */
export function createRpcMetrics(metrics: Metrics): RpcMetrics {
  return {
    durationSeconds: metrics.histogram({
      name: "warmpath_rpc_server_duration_seconds",
      help: "Time from the arrival of a call to the end of its answer, by status code.",
      labels: ["method", "code"],
    }),
    active: metrics.gauge({
      name: "warmpath_rpc_server_active",
      help: "Calls being served.",
      labels: ["method"],
    }),
  };
}
