import { option } from "@warmpath/runtime/base";

/** Settings of placement. */
export const placementOptions = {
  adapterLoadMs: option.int({
    env: "WARMPATH_PROXY_ADAPTER_LOAD_MS",
    default: 200,
    min: 0,
    unit: "ms",
    doc: "What it costs a replica to load a LoRA adapter that it has not ready, where its metrics tell which ones it has.",
    why: "an adapter is 10 to 200 MB: some 10 ms from the host's memory, some 100 ms from a disk",
  }),
} as const;
