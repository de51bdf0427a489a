/** Workloads by name, any trace of the Mooncake format, and what can be said of them. */

export { describeWorkload, type WorkloadFacts } from "./facts/describe.ts";
export {
  type KvDemand,
  type KvDemandOptions,
  kvDemandOf,
  kvDemandTokens,
  sessionsForDemand,
  type TurnTime,
} from "./facts/kv-demand.ts";
export { type WorkloadOptions, workloadOf, workloads } from "./registry.ts";
export { type CacheCurve, CacheCurveCounter } from "./trace/cache-curve.ts";
export {
  loadTrace,
  readTrace,
  type TraceOptions,
  type TraceRequest,
} from "./trace/read-trace.ts";
export { TraceFormatError } from "./trace/trace-format-error.ts";
export {
  readTraceSessions,
  type TraceWorkloadOptions,
  traceWorkload,
} from "./trace/trace-workload.ts";
export type * from "./types.ts";
