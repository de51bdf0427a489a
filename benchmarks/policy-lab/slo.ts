import type { SloClass } from "../workloads/types.ts";

/** What a turn of a class is promised, in ms. */
export interface Slo {
  readonly ttftMs: number;
  readonly tpotMs: number;
}

export const sloClasses: readonly SloClass[] = ["interactive", "agent", "batch"];

/**
 * The classes of the project's performance reference: a person reads along (500 ms, 50 ms), an
 * agent's step (2 s, 30 ms: the answer is read by a program, so that the whole of it counts); batch
 * has none.
 */
export const slos: Readonly<Record<SloClass, Slo>> = {
  interactive: { ttftMs: 500, tpotMs: 50 },
  agent: { ttftMs: 2000, tpotMs: 30 },
  batch: { ttftMs: Number.POSITIVE_INFINITY, tpotMs: Number.POSITIVE_INFINITY },
};
