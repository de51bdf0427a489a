import type { Counter, Gauge, Metrics } from "@warmpath/runtime";

/** What the answer cache counts. */
export interface AnswerCacheMetrics {
  /** Answers to requests that asked for reuse, by where they came from. */
  readonly answers: Counter<"from">;
  /** Finished calls whose answer was to be stored. */
  readonly ended: Counter<"result">;
  /** Looks for another proxy's answer. */
  readonly vault: Counter<"result">;
  /** Callers that wait for the first event of another's call now. */
  readonly followers: Gauge;
  readonly storedBytes: Gauge;
  readonly storedAnswers: Gauge;
}

/** Defines the metrics of the answer cache. */
export function createAnswerCacheMetrics(
  metrics: Metrics,
  store: { bytes(): number; count(): number } = emptyStore,
): AnswerCacheMetrics {
  return {
    answers: metrics.counter({
      name: "warmpath_inference_proxy_reused_answers_total",
      help: "Answers to requests that may be reused, by origin (upstream, store, semantic, flight).",
      labels: ["from"],
    }),
    ended: metrics.counter({
      name: "warmpath_inference_proxy_answer_cache_ended_total",
      help: "Calls that ended with the cache on: kept, or not_kept (unfinished or too long).",
      labels: ["result"],
    }),
    vault: metrics.counter({
      name: "warmpath_inference_proxy_answer_cache_shared_total",
      help: "Looks for an answer in Redis after a miss here: found, or missed (Redis away included).",
      labels: ["result"],
    }),
    followers: metrics.gauge({
      name: "warmpath_inference_proxy_followers",
      help: "Requests that wait for the first event of an equal call under way now.",
    }),
    storedBytes: metrics.gauge({
      name: "warmpath_inference_proxy_answer_cache_bytes",
      help: "Bytes of the answers in the cache now.",
      collect: () => store.bytes(),
    }),
    storedAnswers: metrics.gauge({
      name: "warmpath_inference_proxy_answer_cache_answers",
      help: "Answers in the cache now.",
      collect: () => store.count(),
    }),
  };
}

/** For documentation, which needs the definitions only. */
const emptyStore = { bytes: () => 0, count: () => 0 };
