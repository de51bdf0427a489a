import { type Config, option } from "@warmpath/runtime/base";
import { profiles } from "../engine/index.ts";
import { kvEventOptions } from "./kv-events/index.ts";

/** Names of the engine profiles. */
const profileNames = Object.keys(profiles);

/** How the simulation itself is set up: none of these is a setting of vLLM. */
const simulationOptions = {
  host: option.text({
    env: "WARMPATH_SIM_HOST",
    flag: "host",
    default: "127.0.0.1",
    doc: "Address to listen on.",
    why: "a simulated engine has no authentication",
  }),
  port: option.int({
    env: "WARMPATH_SIM_PORT",
    flag: "port",
    default: 8741,
    min: 0,
    max: 65_535,
    doc: "Port to listen on; 0 takes a free one.",
    why: "replicas of `npm start` count up from here",
  }),
  model: option.text({
    env: "WARMPATH_SIM_MODEL",
    flag: "model",
    default: "warmpath-sim",
    doc: "Model name that the replica serves.",
  }),
  seed: option.int({
    env: "WARMPATH_SIM_SEED",
    flag: "seed",
    default: 1,
    min: 0,
    max: 2 ** 31 - 1,
    doc: "Seed of everything that varies: the same seed and request give the same answer.",
  }),
  profile: option.choice({
    env: "WARMPATH_SIM_PROFILE",
    flag: "profile",
    choices: profileNames,
    default: "llama-8b-h100",
    doc: `Model and GPU whose step times and KV capacity are played: ${profileNames.join(", ")}.`,
    why: "about 8 ms a token: pleasant to watch, light on a laptop",
  }),
  speed: option.number({
    env: "WARMPATH_SIM_SPEED",
    flag: "speed",
    default: 1,
    min: 0,
    max: 1_000_000,
    doc: "How much faster than the profile time passes; 0 does not wait at all.",
  }),
  slowdown: option.number({
    env: "WARMPATH_SIM_SLOWDOWN",
    flag: "slowdown",
    default: 1,
    min: 0.001,
    max: 1000,
    doc: "Factor on every step time: 3 is a replica three times slower than its profile.",
  }),
  startDelayMs: option.int({
    env: "WARMPATH_SIM_START_DELAY_MS",
    flag: "start-delay-ms",
    default: 0,
    min: 0,
    max: 3_600_000,
    unit: "ms",
    doc: "Time between the ready line and the opening of the port, as while weights load.",
  }),
  faults: option.text({
    env: "WARMPATH_SIM_FAULTS",
    flag: "faults",
    default: "{}",
    doc: "Faults from the start, as the JSON that `POST /_sim/faults` takes.",
  }),
  allowFaults: option.bool({
    env: "WARMPATH_SIM_ALLOW_FAULTS",
    flag: "allow-faults",
    default: false,
    doc: "Serve `/_sim/…`, through which anybody who reaches the port can break the replica.",
  }),
  onSigterm: option.choice({
    env: "WARMPATH_SIM_ON_SIGTERM",
    flag: "on-sigterm",
    choices: ["drain", "hang", "refuse"],
    default: "drain",
    doc: "What SIGTERM does. drain: ends after the running answers; hang: closes the port and hangs them until SIGKILL (vLLM's default); refuse: runs them while new requests get 500 (vLLM with --shutdown-timeout).",
    why: "a stack that stops should not hang",
  }),
  shutdownTimeoutMs: option.int({
    env: "WARMPATH_SIM_SHUTDOWN_TIMEOUT_MS",
    flag: "shutdown-timeout-ms",
    default: 5_000,
    min: 0,
    max: 600_000,
    unit: "ms",
    doc: "Longest time that running answers get after SIGTERM.",
    why: "longer than an ordinary answer, shorter than a supervisor's patience",
  }),
} as const;

/** Settings that have vLLM's names and meaning; defaults differ where `why` says so. */
const engineOptions = {
  maxNumSeqs: option.int({
    env: "WARMPATH_SIM_MAX_NUM_SEQS",
    flag: "max-num-seqs",
    default: 32,
    min: 1,
    max: 4096,
    doc: "Requests that run at once; the rest wait.",
    why: "small enough that a laptop's load shows a queue; vLLM's is 1024 on an H100",
  }),
  maxNumBatchedTokens: option.int({
    env: "WARMPATH_SIM_MAX_NUM_BATCHED_TOKENS",
    flag: "max-num-batched-tokens",
    default: 8192,
    min: 1,
    max: 2 ** 20,
    doc: "Tokens computed in one step: longer prompts are computed in chunks.",
    why: "vLLM's on GPUs of 70 GiB and more",
  }),
  maxNumQueuedReqs: option.int({
    env: "WARMPATH_SIM_MAX_NUM_QUEUED_REQS",
    flag: "max-num-queued-reqs",
    default: 1024,
    min: 0,
    max: 65_536,
    doc: "Sequences in flight, running ones included; one more is refused with 503.",
    why: "bounds memory; vLLM has no bound unless given one",
  }),
  maxNumQueuedTokens: option.int({
    env: "WARMPATH_SIM_MAX_NUM_QUEUED_TOKENS",
    flag: "max-num-queued-tokens",
    default: undefined,
    min: 1,
    max: 2 ** 31 - 1,
    unit: "tokens",
    doc: "Prompt tokens without an answer's first token that may be in flight; above it a request is refused with 503.",
  }),
  maxModelLen: option.int({
    env: "WARMPATH_SIM_MAX_MODEL_LEN",
    flag: "max-model-len",
    default: 131_072,
    min: 64,
    max: 2 ** 22,
    unit: "tokens",
    doc: "Longest prompt and answer together; never more than the KV cache holds.",
    why: "what current open models offer",
  }),
  kvBlocks: option.int({
    env: "WARMPATH_SIM_KV_BLOCKS",
    flag: "kv-blocks",
    default: undefined,
    min: 8,
    max: 2 ** 22,
    doc: "KV cache capacity in blocks (vLLM: --num-gpu-blocks-override); left out, the profile's.",
  }),
  blockSize: option.int({
    env: "WARMPATH_SIM_BLOCK_SIZE",
    flag: "block-size",
    default: 16,
    min: 1,
    max: 1024,
    unit: "tokens",
    doc: "Tokens of a KV block.",
    why: "vLLM's on GPUs; its CPU build needs 32",
  }),
  schedulingPolicy: option.choice({
    env: "WARMPATH_SIM_SCHEDULING_POLICY",
    flag: "scheduling-policy",
    choices: ["fcfs", "priority"],
    default: "fcfs",
    doc: "fcfs, or priority: a lower `priority` runs first, and preempts when blocks run out.",
  }),
  streamInterval: option.int({
    env: "WARMPATH_SIM_STREAM_INTERVAL",
    flag: "stream-interval",
    default: 1,
    min: 1,
    max: 4096,
    unit: "tokens",
    doc: "Tokens in one event of a stream, after the first.",
  }),
  apiKey: option.secret({
    env: "WARMPATH_SIM_API_KEY",
    flag: "api-key",
    default: undefined,
    doc: "Key that `/v1` and `/inference` demand as a bearer token.",
  }),
  requestIdHeaders: option.bool({
    env: "WARMPATH_SIM_REQUEST_ID_HEADERS",
    flag: "enable-request-id-headers",
    default: true,
    doc: "Echo `X-Request-Id` in every response.",
    why: "vLLM's is off; on, a request is found in the logs of all that it passed",
  }),
  promptTokensDetails: option.bool({
    env: "WARMPATH_SIM_PROMPT_TOKENS_DETAILS",
    flag: "enable-prompt-tokens-details",
    default: true,
    doc: "Say in `usage` how many prompt tokens were cached.",
    why: "vLLM's is off; it is the truth that routing is judged by",
  }),
  forceIncludeUsage: option.bool({
    env: "WARMPATH_SIM_FORCE_INCLUDE_USAGE",
    flag: "enable-force-include-usage",
    default: false,
    doc: "Send usage with every chunk of every stream.",
  }),
  serverLoadTracking: option.bool({
    env: "WARMPATH_SIM_SERVER_LOAD_TRACKING",
    flag: "enable-server-load-tracking",
    default: true,
    doc: "Let `/load` count requests in flight; otherwise it says 0.",
    why: "vLLM's is off; a simulated replica should be easy to watch",
  }),
  scaleOut: option.bool({
    env: "WARMPATH_SIM_SCALE_OUT",
    flag: "enable-scale-out",
    default: false,
    doc: "Serve `/inference/v1/generate` and the render endpoints.",
  }),
  devMode: option.bool({
    env: "WARMPATH_SIM_DEV_MODE",
    flag: "dev-mode",
    default: false,
    doc: "Serve /pause, /sleep, /reset_prefix_cache and the like (VLLM_SERVER_DEV_MODE=1).",
  }),
} as const;

/** Settings of one simulated replica. */
export const replicaOptions = {
  ...simulationOptions,
  ...engineOptions,
  ...kvEventOptions,
} as const;

/** Checked settings of one simulated replica. */
export type ReplicaConfig = Config<typeof replicaOptions>;

/** Fixed bounds of a replica. */
export const replicaLimits = {
  /**
   * Largest request body, in bytes: a prompt of the longest context at four bytes a token, with
   * room.
   */
  bodyBytesMax: 16 * 1024 * 1024,
  /** Largest `n`; each choice is generated and held in memory. */
  choicesMax: 16,
  /** Prompts in one completion or embedding request. */
  promptsMax: 2048,
  /** Words of one long answer; what is asked beyond it is cut. */
  proseWordsMax: 20_000,
  /** Tool calls in one answer. */
  callsMax: 16,
} as const;
