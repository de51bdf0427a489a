/** Which replica holds which prefix, for all replicas at once. */
export { CacheIndex } from "./cache-index.ts";
export { RecentKeys } from "./recent-keys.ts";
export { ReplicaSets } from "./replica-sets.ts";
export type { PrefixKey } from "./types.ts";
