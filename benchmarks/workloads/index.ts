/** Workloads by name, any trace of the Mooncake format, and what can be said of them. */

export { type CacheBound, CacheBoundCounter } from "./cache-bound.ts";
export { describeSessions, type WorkloadFacts } from "./describe.ts";
export {
  type KvDemand,
  type KvDemandOptions,
  kvDemandOf,
  kvDemandTokens,
  sessionsForDemand,
} from "./facts/kv-demand.ts";
export { loadTrace, readTrace, TraceFormatError, traceWorkload } from "./mooncake.ts";
export { type WorkloadOptions, workloadOf, workloads } from "./registry.ts";
export type * from "./types.ts";
