import { type Config, option } from "@warmpath/runtime/base";

/** Settings of one simulated replica. */
export const replicaOptions = {
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
  overheadMs: option.number({
    env: "WARMPATH_SIM_OVERHEAD_MS",
    flag: "overhead-ms",
    default: 15,
    min: 0,
    max: 60_000,
    unit: "ms",
    doc: "Fixed time before the first token.",
    why: "fitted for an 8B model on one H100",
  }),
  prefillMsPerKilotoken: option.number({
    env: "WARMPATH_SIM_PREFILL_MS_PER_KILOTOKEN",
    flag: "prefill-ms-per-kilotoken",
    default: 20,
    min: 0,
    max: 60_000,
    unit: "ms",
    doc: "Time before the first token for each 1,000 prompt tokens that are not cached.",
    why: "19.6 µs a token: an 8B model on one H100",
  }),
  decodeMs: option.number({
    env: "WARMPATH_SIM_DECODE_MS",
    flag: "decode-ms",
    default: 8,
    min: 0,
    max: 60_000,
    unit: "ms",
    doc: "Time between two tokens of one answer.",
    why: "measured inter-token latency of an 8B model on one H100",
  }),
  maxNumSeqs: option.int({
    env: "WARMPATH_SIM_MAX_NUM_SEQS",
    flag: "max-num-seqs",
    default: 32,
    min: 1,
    max: 4096,
    doc: "Requests that run at once; the rest wait in order of arrival.",
    why: "small enough that a laptop's load shows a queue",
  }),
  maxNumQueuedReqs: option.int({
    env: "WARMPATH_SIM_MAX_NUM_QUEUED_REQS",
    flag: "max-num-queued-reqs",
    default: 256,
    min: 0,
    max: 65_536,
    doc: "Requests that may wait; one more is refused with 503.",
    why: "bounds memory; a real engine has no bound unless given one",
  }),
  maxModelLen: option.int({
    env: "WARMPATH_SIM_MAX_MODEL_LEN",
    flag: "max-model-len",
    default: 131_072,
    min: 64,
    max: 2 ** 22,
    unit: "tokens",
    doc: "Longest prompt and answer together.",
    why: "what current open models offer",
  }),
  kvBlocks: option.int({
    env: "WARMPATH_SIM_KV_BLOCKS",
    flag: "kv-blocks",
    default: 28_000,
    min: 8,
    max: 2 ** 22,
    doc: "KV cache capacity in blocks of 16 tokens.",
    why: "an 8B model on one H100 with 80 GB",
  }),
} as const;

/** Checked settings of one simulated replica. */
export type ReplicaConfig = Config<typeof replicaOptions>;

/** Tokens in one KV block: vLLM's default on GPUs. */
export const blockTokens = 16;

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
