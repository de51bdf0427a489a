import type { Counter, Metrics } from "../telemetry/metrics.ts";

/** What every bus counts. */
export interface BusMetrics {
  readonly dropped: Counter<"cause">;
}

/** Metrics of the bus. */
export function createBusMetrics(metrics: Metrics): BusMetrics {
  return {
    dropped: metrics.counter({
      name: "warmpath_bus_dropped_total",
      help: "Messages that were not delivered: no connection, a full queue, or too large.",
      labels: ["cause"],
    }),
  };
}
