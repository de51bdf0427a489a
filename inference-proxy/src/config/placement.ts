import { option } from "@warmpath/runtime/base";

/** Settings of placement. */
export const placementOptions = {
  dataParallelRanks: option.list({
    env: "WARMPATH_DATA_PARALLEL_RANKS",
    default: [],
    doc: "Data-parallel ranks behind an upstream's address, as in `host:8000=4`: each is placed on by itself.",
    why: "a vLLM's own balancer does not look at what is cached; without it the engine chooses",
  }),
  adapterLoadMs: option.int({
    env: "WARMPATH_PROXY_ADAPTER_LOAD_MS",
    default: 200,
    min: 0,
    unit: "ms",
    doc: "What it costs a replica to load a LoRA adapter that it has not ready, where its metrics tell which ones it has; learned from the first loads on.",
    why: "an adapter is 10 to 200 MB: some 10 ms from the host's memory, some 100 ms from a disk",
  }),
} as const;
