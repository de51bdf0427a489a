/** The KV events of inference engines, as read off their event streams. */
export {
  decodeKvBatch,
  decodeKvMessage,
  decodeKvReplay,
  encodeKvReplayRequest,
} from "./decode.ts";
export type {
  BlockHash,
  BlocksRemoved,
  BlocksStored,
  CacheCleared,
  KvBatch,
  KvEvent,
  KvMessage,
} from "./types.ts";
