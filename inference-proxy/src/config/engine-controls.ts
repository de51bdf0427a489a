import { option } from "@warmpath/runtime/base";

/** Which callers may steer the engines themselves. */
export const engineControlOptions = {
  engineControls: option.list({
    env: "WARMPATH_PROXY_ENGINE_CONTROLS",
    default: [],
    doc: "Engine controls that every key may use, by name: `priority`, `vllm_xargs`, `x-data-parallel-rank`, …",
    why: "placement, fairness and the engines' queues are ours to decide unless the operator says otherwise",
  }),
  engineControlTenants: option.list({
    env: "WARMPATH_PROXY_ENGINE_CONTROL_TENANTS",
    default: ["dev"],
    doc: "Tenants whose keys may use every engine control.",
    why: "the tenant of the development key, which may pass what it likes; the cache salt is led by the tenant even so",
  }),
} as const;
