/** KV events of inference engines: read off their streams, and what they say of their caches. */
export {
  decodeKvBatch,
  decodeKvMessage,
  decodeKvReplay,
  encodeKvReplayRequest,
} from "./decode.ts";
export { askForReport, type Foresight, sessionHeader } from "./foresight.ts";
export { type KnowledgeFacts, type KvKnowledge, startKvKnowledge } from "./knowledge.ts";
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
