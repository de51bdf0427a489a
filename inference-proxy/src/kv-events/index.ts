/** KV events of inference engines: read off their streams, and what they say of their caches. */
export {
  decodeKvBatch,
  decodeKvMessage,
  decodeKvReplay,
  encodeKvReplayRequest,
} from "./decode.ts";
export {
  type Foresight,
  type KnowledgeFacts,
  type KvKnowledge,
  sessionHeader,
  startKvKnowledge,
} from "./knowledge.ts";
export { createKvEventsMetrics, type KvEventsMetrics } from "./metrics.ts";
export { parseConfiguredSources } from "./sources.ts";
export { createTokenPrompt, type TokenPrompt } from "./token-prompt.ts";
export type {
  BlockHash,
  BlocksRemoved,
  BlocksStored,
  CacheCleared,
  CacheNews,
  KvBatch,
  KvEvent,
  KvMessage,
} from "./types.ts";
