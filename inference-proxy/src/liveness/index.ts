/** Who is still alive: how much silence a replica's own pace explains. */
export { createLiveness } from "./liveness.ts";
export type { Liveness, ReplicaSight, SilenceLimits, Vigil, VigilRequest } from "./types.ts";
