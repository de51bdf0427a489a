/** How the recorded servers are started; see the README of `testdata/` and of the recordings. */
import type { ReplicaConfig } from "../config.ts";
import { type ServerName as RecordedName, servers } from "../recorded/servers.ts";

/** Servers that can be started for the comparison. */
export const liveServerNames = ["A", "B"] as const;
export type LiveServerName = (typeof liveServerNames)[number];

/** One server, told to a vLLM and to the replica. */
export interface LiveServer {
  /** Flags of `vllm serve` beyond {@link commonFlags}. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly topic: string;
  readonly replica: Partial<ReplicaConfig>;
  /** Recordings that are replayed here, by the server they were made with, in this order. */
  readonly recorded: readonly RecordedName[];
}

/** The version that the replica models and the recipe installs. */
export const modelledVersion = "0.32.0";

/** Blocks of 32 tokens because the CPU's attention takes no smaller ones. */
export const commonFlags = [
  "--served-model-name=tiny",
  "--host=127.0.0.1",
  "--enforce-eager",
  "--block-size=32",
  "--enable-prompt-tokens-details",
  // vLLM's default hashes a Python pickle, which nobody else can compute.
  "--prefix-caching-hash-algo=sha256_cbor",
] as const;

/** `PYTHONHASHSEED` seeds the block hashes. */
const hashSeed = "0";

/**
 * No hub, no telemetry, one thread, and a KV cache of 1 GiB, which the number of blocks makes
 * small.
 */
export const commonEnv = {
  HF_HUB_OFFLINE: "1",
  TRANSFORMERS_OFFLINE: "1",
  VLLM_NO_USAGE_STATS: "1",
  DO_NOT_TRACK: "1",
  VLLM_CPU_KVCACHE_SPACE: "1",
  VLLM_CPU_OMP_THREADS_BIND: "nobind",
  OMP_NUM_THREADS: "1",
  PYTHONHASHSEED: hashSeed,
} as const;

/** The servers by name. */
export const liveServers: Readonly<Record<LiveServerName, LiveServer>> = {
  A: {
    flags: [
      "--max-model-len=4096",
      "--num-gpu-blocks-override=512",
      "--max-num-seqs=16",
      "--max-num-batched-tokens=1024",
      "--enable-auto-tool-choice",
      "--tool-call-parser=hermes",
      "--enable-request-id-headers",
      "--enable-server-load-tracking",
    ],
    env: {},
    topic: "kv@tiny",
    replica: { ...servers.A, kvEventsHashSeed: hashSeed },
    recorded: ["A"],
  },
  B: {
    flags: [
      "--max-model-len=1536",
      "--num-gpu-blocks-override=64",
      "--max-num-seqs=8",
      "--max-num-batched-tokens=512",
      "--scheduling-policy=priority",
      "--max-num-queued-reqs=12",
      "--enable-scale-out",
      "--enable-server-load-tracking",
    ],
    env: { VLLM_SERVER_DEV_MODE: "1", VLLM_KV_EVENTS_USE_INT_BLOCK_HASHES: "0" },
    topic: "",
    replica: {
      ...servers.B,
      kvEventsHashSeed: hashSeed,
      kvEventsHash: "bytes",
      kvEventsTopic: undefined,
    },
    recorded: ["B", "dev"],
  },
};

/** Recorded servers that are not started here, with the reason. */
export const notReplayed: Readonly<Partial<Record<RecordedName, string>>> = {
  C: "two engines and two API servers at once are too much for the machines this runs on",
  F: "one recording of a counter that is off; it would cost a start of its own",
  full: "a server that is exactly full cannot be arranged without its help",
};
