/** Which replica holds which prefix, for all replicas at once. */
export { CacheBelief, type KeyedPrompt } from "./cache-belief.ts";
export { CacheIndex } from "./cache-index.ts";
export { HistoryIndex } from "./history-index.ts";
export { RecentKeys } from "./recent-keys.ts";
export { ReplicaSets } from "./replica-sets.ts";
export type { PrefixKey } from "./types.ts";
