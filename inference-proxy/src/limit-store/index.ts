/** Limits that several proxies share. */
export { createRedisLimitStore, type RedisLimitOptions } from "./redis-limit-store.ts";
