/** vLLM's KV events, published by the simulated replica. */
export { type KvEventCounts, type KvEvents, openKvEvents } from "./open-kv-events.ts";
export { type KvEventSettings, kvEventOptions } from "./options.ts";
export type { CacheEventSink, StoredTokens } from "./types.ts";
