import type { CellJob } from "../grid/axes.ts";
import type { CellResult } from "../result.ts";

/** To a worker: its next cell. */
export interface JobMessage {
  readonly index: number;
  readonly job: CellJob;
}

/** From a worker: the cell's result, or why there is none. */
export type ResultMessage =
  | { readonly index: number; readonly result: CellResult }
  | { readonly index: number; readonly error: string };
