import { type Config, option, type Relation } from "@warmpath/runtime/base";
import { answerCacheOptions } from "./config/answer-cache.ts";
import { engineControlOptions } from "./config/engine-controls.ts";
import { kvEventOptions } from "./config/kv-events.ts";
import { limitSettings } from "./config/limits.ts";
import { peerOptions } from "./config/peers.ts";
import { placementOptions } from "./config/placement.ts";
import { programSettings } from "./config/programs.ts";
import { promptOptions } from "./config/prompt.ts";
import { providerOptions } from "./config/providers.ts";
import { receiptOptions } from "./config/receipts.ts";
import { relayOptions } from "./config/relay.ts";
import { resilienceSettings } from "./config/resilience.ts";

/**
 * Every setting of the inference proxy. Flags, variables, `--help` and docs/CONFIG.md come from
 * this table.
 */
export const inferenceProxyOptions = {
  upstreams: option.list({
    env: "WARMPATH_UPSTREAM",
    flag: "upstream",
    default: [],
    doc: "Base URLs of the engines or providers (vLLM, Ollama, any OpenAI-compatible server). `dns://host:port` stands for every pod behind that name, such as a headless Service's.",
    why: "without any, `up` starts simulated replicas and puts their addresses here",
  }),
  upstreamPodsMax: option.int({
    env: "WARMPATH_UPSTREAM_PODS_MAX",
    default: 16,
    min: 1,
    max: 256,
    doc: "Pods that one `dns://` upstream may have at once; each has a place of its own, `host:port~0` and so on, in metrics and logs.",
    why: "most pools are smaller; a free place costs a few hundred bytes",
  }),
  upstreamLookUpMs: option.int({
    env: "WARMPATH_UPSTREAM_LOOK_UP_MS",
    default: 2000,
    min: 10,
    unit: "ms",
    doc: "Time between two look-ups of the pods of a `dns://` upstream.",
    why: "cluster name servers cache for five seconds; a pod that is gone is found out by its probes before",
  }),
  upstreamApiKey: option.secret({
    env: "WARMPATH_UPSTREAM_API_KEY",
    default: undefined,
    doc: "Sent as bearer token to every upstream whose URL carries no credentials of its own.",
  }),
  defaultModel: option.text({
    env: "WARMPATH_DEFAULT_MODEL",
    default: undefined,
    doc: "Model for requests that name none; unset: the first that an upstream serves.",
  }),
  modelTiers: option.list({
    env: "WARMPATH_MODEL_TIERS",
    default: [],
    doc: "Names that stand for models, as in `small=qwen-7b,large=qwen-72b`.",
    why: "without it a tier that no upstream serves by name is the default model",
  }),
  embeddingModel: option.text({
    env: "WARMPATH_EMBEDDING_MODEL",
    default: undefined,
    doc: "Model for embeddings; unset: the first whose name says that it is one.",
    why: "upstreams list their models without saying what they are for",
  }),
  modelsWanted: option.list({
    env: "WARMPATH_MODELS_WANTED",
    default: [],
    doc: "Models that must have a replica: without one `model_replicas` shows 0 for as long as they are named here, or above as the default, a tier's or the embedding model.",
    why: "what nobody names may have been retired on purpose",
  }),
  modelKeptMs: option.int({
    env: "WARMPATH_PROXY_MODEL_KEPT_MS",
    default: 900_000,
    min: 0,
    unit: "ms",
    doc: "How long `model_replicas` shows 0 for a model that nothing names and no upstream lists any more.",
    why: "a page comes after two minutes and is answered by then; a longer outage of a model that is not named looks like a retirement",
  }),
  prices: option.list({
    env: "WARMPATH_PRICES",
    default: [],
    doc: "Prices as `model=input/cached/output`, or `…/reasoning` and `…/reasoning/cache-write` after it, in nano-dollars per token with up to three decimals: `qwen=150/37.5/600`.",
    why: "a model without a price costs 0: nobody but the operator knows what a GPU costs",
  }),
  ...limitSettings,
  ...programSettings,
  ...providerOptions,
  answerTokensExpected: option.int({
    env: "WARMPATH_PROXY_ANSWER_TOKENS_EXPECTED",
    default: 512,
    min: 1,
    unit: "tokens",
    doc: "Answer tokens reserved until the lengths of a key's answers are learned; a request's maximum bounds it.",
    why: "a typical agent step; too small only lets a burst run into debt",
  }),
  replicaInFlightMax: option.int({
    env: "WARMPATH_REPLICA_IN_FLIGHT_MAX",
    default: 256,
    min: 1,
    doc: "Requests kept at one replica at once; more wait here, where their order can still change.",
    why: "vLLM's max_num_seqs on most GPUs, so that its own queue stays short",
  }),
  ...placementOptions,
  queueRequestsMax: option.int({
    env: "WARMPATH_PROXY_QUEUE_REQUESTS_MAX",
    default: 1024,
    min: 0,
    doc: "Requests that may wait for a replica; more are refused with Retry-After.",
    why: "four full replicas' worth: beyond that a caller is better off trying later",
  }),
  queueBytesMax: option.int({
    env: "WARMPATH_PROXY_QUEUE_BYTES_MAX",
    default: 268_435_456,
    min: 0,
    unit: "bytes",
    doc: "Body bytes of all waiting requests together.",
    why: "256 MiB: a full queue of the 150 KB prompts that agents send, with room",
  }),
  queueWaitMsMax: option.int({
    env: "WARMPATH_PROXY_QUEUE_WAIT_MS_MAX",
    default: 60_000,
    min: 1,
    unit: "ms",
    doc: "Longest wait for a replica before a request is refused with Retry-After.",
    why: "most callers give up at a minute; a shorter deadline of the caller wins",
  }),
  lanePassedOverMax: option.int({
    env: "WARMPATH_PROXY_LANE_PASSED_OVER_MAX",
    default: 8,
    min: 1,
    doc: "Times that a waiting lane may be passed over by better lanes before it goes first.",
    why: "batch keeps at least a ninth of the places under any load",
  }),
  attemptsMax: option.int({
    env: "WARMPATH_PROXY_ATTEMPTS_MAX",
    default: 3,
    min: 1,
    max: 16,
    doc: "Tries of one request before its first event, the first included, closed ports not counted.",
    why: "two replicas may be full or gone at once; a third failure is rarely the replica's fault",
  }),
  deathsMax: option.int({
    env: "WARMPATH_PROXY_DEATHS_MAX",
    default: 2,
    min: 1,
    max: 16,
    doc: "Replicas that may die under one request before it is refused.",
    why: "one death is moved on, since the innocent die beside the guilty; two point at the request",
  }),
  firstEventTimeoutMs: option.int({
    env: "WARMPATH_PROXY_FIRST_EVENT_TIMEOUT_MS",
    default: 60_000,
    min: 1,
    unit: "ms",
    doc: "Longest wait for the first event of a stream, whatever the replica's pace explains.",
    why: "a cold 100k-token prompt takes tens of seconds to prefill on one GPU",
  }),
  idleTimeoutMs: option.int({
    env: "WARMPATH_PROXY_IDLE_TIMEOUT_MS",
    default: 30_000,
    min: 1,
    unit: "ms",
    doc: "Longest silence between two events of a stream, whatever the replica's pace explains.",
    why: "vLLM hangs for ever on SIGTERM; a preempted request is back within seconds",
  }),
  wholeTimeoutMs: option.int({
    env: "WARMPATH_PROXY_WHOLE_TIMEOUT_MS",
    default: 600_000,
    min: 1,
    unit: "ms",
    doc: "Longest wait for an answer that is not streamed.",
    why: "the default of the official OpenAI clients",
  }),
  bodyBytesMax: option.int({
    env: "WARMPATH_PROXY_BODY_BYTES_MAX",
    default: 16_777_216,
    min: 1024,
    unit: "bytes",
    doc: "Largest request body.",
    why: "16 MiB: a million tokens of text, or a few images",
  }),
  answerBytesMax: option.int({
    env: "WARMPATH_PROXY_ANSWER_BYTES_MAX",
    default: 67_108_864,
    min: 1024,
    unit: "bytes",
    doc: "Largest answer that is not streamed.",
    why: "64 MiB: 256 embeddings of 4,096 components with room for log probabilities",
  }),
  eventBytesMax: option.int({
    env: "WARMPATH_PROXY_EVENT_BYTES_MAX",
    default: 4_194_304,
    min: 1024,
    unit: "bytes",
    doc: "Largest single event of a stream, and largest error body of an upstream.",
    why: "4 MiB: an event that echoes a whole prompt's token ids",
  }),
  generatedBytesMax: option.int({
    env: "WARMPATH_PROXY_GENERATED_BYTES_MAX",
    default: 16_777_216,
    min: 1024,
    unit: "bytes",
    doc: "Largest answer that Generate assembles (text, reasoning and tool calls together).",
    why: "the answer has to fit into the next request's body",
  }),
  ...resilienceSettings,
  probeIntervalMs: option.int({
    env: "WARMPATH_PROXY_PROBE_INTERVAL_MS",
    default: 1000,
    min: 10,
    unit: "ms",
    doc: "Time between two looks at an upstream's models, health and metrics.",
    why: "a recovered replica is back within seconds; a look costs the engine about 5 ms",
  }),
  probeTimeoutMs: option.int({
    env: "WARMPATH_PROXY_PROBE_TIMEOUT_MS",
    default: 3000,
    min: 10,
    unit: "ms",
    doc: "Longest wait for one look.",
    why: "an API server that tokenises long prompts answers late, and is not ill",
  }),
  probeFailuresMax: option.int({
    env: "WARMPATH_PROXY_PROBE_FAILURES_MAX",
    default: 2,
    min: 1,
    doc: "Looks that must fail in a row before a replica is taken out.",
    why: "one may be lost to a busy server; a refused request takes it out at once anyway",
  }),
  modelsMax: option.int({
    env: "WARMPATH_PROXY_MODELS_MAX",
    default: 1000,
    min: 1,
    doc: "Models taken from one upstream's list, and models whose token ratio is learned.",
    why: "the largest providers list a few hundred",
  }),
  keyCacheTtlMs: option.int({
    env: "WARMPATH_PROXY_KEY_CACHE_TTL_MS",
    default: 30_000,
    min: 0,
    unit: "ms",
    doc: "How long a looked-up API key is believed.",
    why: "bounds a revocation whose announcement was lost",
  }),
  unknownKeyTtlMs: option.int({
    env: "WARMPATH_PROXY_UNKNOWN_KEY_TTL_MS",
    default: 5000,
    min: 0,
    unit: "ms",
    doc: "How long a key that does not exist is remembered as such.",
    why: "shields the store from a client that keeps trying; a new key works soon",
  }),
  cachedKeysMax: option.int({
    env: "WARMPATH_PROXY_CACHED_KEYS_MAX",
    default: 10_000,
    min: 1,
    doc: "API keys in the cache, known and unknown each; the oldest goes first.",
    why: "about 500 bytes each; kept apart, so that made-up keys do not push out real ones",
  }),
  keyLookUpsMax: option.int({
    env: "WARMPATH_PROXY_KEY_LOOK_UPS_MAX",
    default: 128,
    min: 1,
    max: 10_000,
    doc: "Key look-ups under way at once; a request that needs one more is told to retry.",
    why: "a flood of made-up keys must not become a flood on the store",
  }),
  ...engineControlOptions,
  ...answerCacheOptions,
  ...receiptOptions,
  ...kvEventOptions,
  ...promptOptions,
  ...peerOptions,
  ...relayOptions,
} as const;

/** The values of {@link inferenceProxyOptions}. */
export type InferenceProxyConfig = Config<typeof inferenceProxyOptions>;

/** What must hold between settings. */
export const inferenceProxyRelations: readonly Relation<typeof inferenceProxyOptions>[] = [
  {
    fields: ["queueBytesMax", "bodyBytesMax"],
    holds: ({ queueBytesMax, bodyBytesMax }) =>
      queueBytesMax === 0 || queueBytesMax >= bodyBytesMax,
    otherwise: "the queue must have room for one request of the largest size",
  },
  {
    fields: ["receivedBytesMax", "bodyBytesMax"],
    holds: ({ receivedBytesMax, bodyBytesMax }) => receivedBytesMax >= bodyBytesMax,
    otherwise: "one request of the largest size must be receivable",
  },
  {
    fields: ["idleTimeoutMs", "wholeTimeoutMs"],
    holds: ({ idleTimeoutMs, wholeTimeoutMs }) => idleTimeoutMs <= wholeTimeoutMs,
    otherwise: "a silence must not be allowed to last longer than a whole answer",
  },
  {
    fields: ["breakerCooldownMs", "breakerCooldownMsMax"],
    holds: ({ breakerCooldownMs, breakerCooldownMsMax }) =>
      breakerCooldownMs <= breakerCooldownMsMax,
    otherwise: "the first time out must not be longer than the longest",
  },
];

/**
 * Requests that Bun's fetch sends at once. Its default of 256 holds back the rest in silence; it is
 * read when a process starts, so whoever starts us has to set it.
 */
export const fetchLimitVariable = "BUN_CONFIG_MAX_HTTP_REQUESTS";

/** The largest value that Bun takes. */
export const fetchLimitWanted = 65_336;
