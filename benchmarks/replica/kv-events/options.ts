import { type Config, option } from "@warmpath/runtime/base";

/** vLLM's seed of the hash chain for SHA-256 hashes where `PYTHONHASHSEED` is not set (0.32). */
export const defaultHashSeed = "vllm-none-hash";

/** Settings of a replica's KV events: vLLM's `--kv-events-config`, one flag for each member. */
export const kvEventOptions = {
  kvEventsEndpoint: option.text({
    env: "WARMPATH_SIM_KV_EVENTS_ENDPOINT",
    flag: "kv-events-endpoint",
    default: undefined,
    doc: "Where KV events are published; as in vLLM ipc://… and wildcards bind, the rest connects. Empty: no events.",
  }),
  kvEventsReplayEndpoint: option.text({
    env: "WARMPATH_SIM_KV_EVENTS_REPLAY_ENDPOINT",
    flag: "kv-events-replay-endpoint",
    default: undefined,
    doc: "Where missed batches can be asked for again; always bound. Empty: nowhere.",
  }),
  kvEventsTopic: option.text({
    env: "WARMPATH_SIM_KV_EVENTS_TOPIC",
    flag: "kv-events-topic",
    default: undefined,
    doc: "First frame of every KV event message. Empty: an empty frame, as in vLLM.",
  }),
  kvEventsFormat: option.choice({
    env: "WARMPATH_SIM_KV_EVENTS_FORMAT",
    flag: "kv-events-format",
    choices: ["map", "array"],
    default: "map",
    doc: "Events as maps with named fields, or as arrays by position as older engines send them.",
    why: "vLLM 0.32 sends maps",
  }),
  kvEventsHash: option.choice({
    env: "WARMPATH_SIM_KV_EVENTS_HASH",
    flag: "kv-events-hash",
    choices: ["int", "bytes"],
    default: "int",
    doc: "Block hashes as the digest's low 64 bits, or all its 32 bytes.",
    why: "what vLLM sends unless VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES=0",
  }),
  kvEventsHashSeed: option.text({
    env: "WARMPATH_SIM_KV_EVENTS_HASH_SEED",
    flag: "kv-events-hash-seed",
    default: defaultHashSeed,
    doc: "Seed of the hash chain: PYTHONHASHSEED of the engine that is modelled.",
    why: "vLLM's constant where PYTHONHASHSEED is not set",
  }),
  kvEventsBufferSteps: option.int({
    env: "WARMPATH_SIM_KV_EVENTS_BUFFER_STEPS",
    flag: "kv-events-buffer-steps",
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: "Batches kept for replay.",
    why: "vLLM's default",
  }),
  kvEventsHwm: option.int({
    env: "WARMPATH_SIM_KV_EVENTS_HWM",
    flag: "kv-events-hwm",
    default: 100_000,
    min: 1,
    max: 1_000_000,
    doc: "Messages queued for one slow subscriber before new ones are lost.",
    why: "vLLM's default",
  }),
  kvEventsReplayMax: option.int({
    env: "WARMPATH_SIM_KV_EVENTS_REPLAY_MAX",
    flag: "kv-events-replay-max",
    default: 1_000_000,
    min: 0,
    max: 1_000_000,
    doc: "Fault: a replay of more batches than this stops there and gets no end marker.",
    why: "vLLM 0.32 loses parts of long replays; here only on demand",
  }),
} as const;

/** The checked settings of a replica's KV events. */
export type KvEventSettings = Config<typeof kvEventOptions>;
