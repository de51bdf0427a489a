/** Tokens in, tokens out: the inference proxy. */
export {
  type AnswerVault,
  createRedisVault,
  type RedisVaultOptions,
} from "./answer-cache/index.ts";
export {
  fetchLimitVariable,
  fetchLimitWanted,
  type InferenceProxyConfig,
  inferenceProxyOptions,
  inferenceProxyRelations,
} from "./config.ts";
export { createRedisLimitStore, type RedisLimitOptions } from "./limit-store/index.ts";
export {
  type Address,
  type InferenceProxy,
  type InferenceProxyDeps,
  startInferenceProxy,
} from "./main.ts";
export { createInferenceProxyMetrics, type InferenceProxyMetrics } from "./metrics.ts";
export type { LimitStore } from "./pace/index.ts";
