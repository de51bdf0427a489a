/**
 * `@warmpath/state`: the state service, its ports with their implementations, and the embedded
 * database.
 */
export { logConfigFrom, type StateConfig, stateOptions, stateRelations } from "./config.ts";
export type { HotPiece, HotStore, HotValue } from "./hot/hot-store.ts";
export { createMemoryHot } from "./hot/memory-hot.ts";
export { createRedisHot, type RedisHotOptions } from "./hot/redis-hot.ts";
export { type LogConfig, logConfigDefault } from "./log/log-config.ts";
export { type State, type StateDeps, startState } from "./main.ts";
export { createLogMetrics, createStateMetrics, type StateMetrics } from "./metrics.ts";
export { type Pglite, type PgliteOptions, startPglite } from "./pglite/start-pglite.ts";
export type { DispatchMessage, DispatchQueue } from "./queue/dispatch-queue.ts";
export { createMemoryQueue } from "./queue/memory-queue.ts";
export { createNatsQueue, type NatsQueueOptions } from "./queue/nats-queue.ts";
export { createStateServer, type StateServer, type StateServerDeps } from "./server.ts";
export { ensureKey, hashSecret, newSecret } from "./services/key-service.ts";
export { openStore, type Store, type StoreOptions } from "./store/store.ts";
