import type { Rig } from "../rig.ts";
import type { Cast } from "../scene.ts";

/** What checks work with: the mesh, and what runs behind its Envoys. */
export interface Stage {
  readonly rig: Rig;
  readonly cast: Cast;
  /** What ends a service. A cluster says SIGTERM; a planted fault is ruder. */
  readonly end: NodeJS.Signals;
}

/** One thing that is shown; its faults say what was expected and what was found. */
export interface Check<S = Stage> {
  readonly title: string;
  run(stage: S): Promise<readonly string[]>;
}

/** A fault unless the condition holds. */
export function unless(holds: boolean, fault: string): readonly string[] {
  return holds ? [] : [fault];
}
