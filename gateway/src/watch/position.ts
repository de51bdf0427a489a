/**
 * How far one watcher has been told about one task. Everything a cursor holds.
 *
 * ```
 *   events 1 … seq are told │ step: the step after the last answered one │ its text, bytes 0 …
 *   offsetBytes
 * ```
 */
export interface Position {
  /** Sequence number of the last event told; 0 before the first. */
  readonly seq: bigint;
  /** The one step whose text can be in progress: the step after the last answered one. */
  readonly step: number;
  /** Attempt whose text was shown for that step; 0 before any. */
  readonly attempt: bigint;
  /** UTF-8 bytes of that attempt's text that were shown. */
  readonly offsetBytes: number;
  /** True once the event that ends the task was told. */
  readonly isEnded: boolean;
}

/** Where a watcher without a cursor begins. */
export const startPosition: Position = {
  seq: 0n,
  step: 1,
  attempt: 0n,
  offsetBytes: 0,
  isEnded: false,
};
