import type { Clock } from "@warmpath/runtime/base";
import type { ReplicaConfig } from "../config.ts";
import type { RestartKind } from "../faults/control.ts";
import type { FaultState } from "../faults/fault-state.ts";
import type { Life } from "../life.ts";

/** What every route of a replica stands on. */
export interface ReplicaContext extends Life {
  /** Requests in flight, as `/load` counts them. */
  load: number;
  /** Level of sleep; undefined: awake. */
  sleepLevel: number | undefined;
  readonly config: ReplicaConfig;
  readonly clock: Clock;
  readonly faults: FaultState;
  /** Sixteen hexadecimal digits, for ids that must not repeat. */
  readonly newHexId: () => string;
  /** `system_fingerprint` of every answer. */
  readonly fingerprint: string;
  /** What new requests are refused with, once the replica is going down. */
  readonly goingDown: Error | undefined;
  readonly isEngineDead: boolean;
  readonly restart: (kind: RestartKind, downMs: number) => void;
}
