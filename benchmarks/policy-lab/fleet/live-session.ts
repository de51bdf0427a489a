import type { SessionPlan } from "../../workloads/types.ts";

/** A session under way. */
export interface LiveSession {
  readonly plan: SessionPlan;
  /** Undefined for roots: they are the jobs. */
  readonly parent: LiveSession | undefined;
  readonly startedMs: number;
  /** The first turn that is played: above 0 where the session was under way when the run began. */
  readonly firstTurn: number;
  nextTurn: number;
  /** Children that the next turn waits for. */
  childrenLeft: number;
  /** The gap before the next turn ends then; undefined while a turn is under way. */
  gapEndsMs: number | undefined;
}
