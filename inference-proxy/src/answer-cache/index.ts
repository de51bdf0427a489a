/** Equal requests cost once: stored answers, calls under way that several share. */
export { type AnswerStore, createAnswerStore } from "./answer-store.ts";
export type { AnswerVault } from "./answer-vault.ts";
export { cacheHeader, chooseReuse, type ReuseSettings } from "./choose-reuse.ts";
export { type AnswerCacheMetrics, createAnswerCacheMetrics } from "./metrics.ts";
export { createAnswerReuse } from "./open-reused.ts";
export { createRedisVault, type RedisVaultOptions } from "./redis-vault.ts";
export { reuseHeaders } from "./reuse-headers.ts";
export type { CacheMode, SharingMode } from "./types.ts";
