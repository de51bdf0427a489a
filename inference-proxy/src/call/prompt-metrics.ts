import type { Counter, Metrics } from "@warmpath/runtime";

/** What is counted of prompts. */
export interface PromptMetrics {
  readonly prompts: Counter<"session">;
  readonly cacheBreaks: Counter<"cause">;
}

/** Defines them. */
export function promptMetrics(metrics: Metrics): PromptMetrics {
  return {
    prompts: metrics.counter({
      name: "warmpath_inference_proxy_prompts_total",
      help: "Calls with a prompt, by how it goes on with its session (new, continuation, fork, compaction, rewrite).",
      labels: ["session"],
    }),
    cacheBreaks: metrics.counter({
      name: "warmpath_inference_proxy_cache_breaks_total",
      help: "Prompts that no longer begin as their session's last one did, by cause (tools-changed, timestamp, thinking-stripped, …).",
      labels: ["cause"],
    }),
  };
}
