import type { Gauge, Metrics } from "@warmpath/runtime";

/** What is shown of admitted sessions. */
export interface SessionMetrics {
  readonly neededTokens: Gauge<"replica">;
  readonly share: Gauge<"replica">;
  readonly remembered: Gauge;
}

/** Defines them; they are set when somebody looks. */
export function createSessionMetrics(metrics: Metrics): SessionMetrics {
  return {
    neededTokens: metrics.gauge({
      name: "warmpath_inference_proxy_sessions_needed_tokens",
      help: "KV tokens that the sessions admitted to a replica need, shared prefixes counted once.",
      labels: ["replica"],
    }),
    share: metrics.gauge({
      name: "warmpath_inference_proxy_sessions_share",
      help: "Share of a replica's KV cache that sessions may fill; it follows what they miss there.",
      labels: ["replica"],
    }),
    remembered: metrics.gauge({
      name: "warmpath_inference_proxy_sessions_remembered",
      help: "Sessions whose home and prefix are remembered.",
    }),
  };
}
