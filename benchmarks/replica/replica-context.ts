import type { Clock } from "@warmpath/runtime/base";
import type { ReplicaConfig } from "./config.ts";
import type { Engine } from "./engine.ts";
import type { ReplicaMetrics } from "./metrics.ts";

/** What every route of a replica stands on. */
export interface ReplicaContext {
  readonly config: ReplicaConfig;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly metrics: ReplicaMetrics;
  /** Sixteen hexadecimal digits, for ids that must not repeat. */
  readonly newHexId: () => string;
  /** `system_fingerprint` of every answer. */
  readonly fingerprint: string;
}
