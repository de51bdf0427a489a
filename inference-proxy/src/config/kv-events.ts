import { option } from "@warmpath/runtime/base";

/** Settings of what engines say about their caches. */
export const kvEventOptions = {
  kvEvents: option.list({
    env: "WARMPATH_KV_EVENTS",
    default: [],
    doc: "Where engines publish KV events, as in `host:8000=tcp://host:5557,replay=tcp://host:5558,topic=kv,ranks=2`, one upstream after the other.",
    why: "vLLM lists its own (`GET /kv_event_sources`); only older engines need this",
  }),
  kvEventsDiscovered: option.bool({
    env: "WARMPATH_KV_EVENTS_DISCOVERED",
    default: true,
    doc: "Ask each vLLM where it publishes KV events, and follow them.",
    why: "costs one request when an engine comes up, and nothing where it publishes none",
  }),
  kvEventsStallMs: option.int({
    env: "WARMPATH_KV_EVENTS_STALL_MS",
    default: 5000,
    min: 100,
    unit: "ms",
    doc: "Silence of an event stream after a request that must have stored blocks, before the stream is not believed.",
    why: "events come within 60 ms of their step; a busy publisher may be a second behind",
  }),
  kvEventsBlocksMax: option.int({
    env: "WARMPATH_KV_EVENTS_BLOCKS_MAX",
    default: 2_000_000,
    min: 1,
    doc: "Blocks remembered of one engine rank; more are passed over.",
    why: "32 million tokens in blocks of 16: more than a node's memory, and about 300 bytes each",
  }),
  kvEventsMessageBytesMax: option.int({
    env: "WARMPATH_KV_EVENTS_MESSAGE_BYTES_MAX",
    default: 16_777_216,
    min: 1024,
    unit: "bytes",
    doc: "Largest message of an event stream.",
    why: "16 MiB: a step of 16,384 tokens is about 0.1 MB",
  }),
} as const;
