/**
 * Why an engine's events do not say what it has cached. `stream`: no connection, or batches are
 * being mended. `beginning`: blocks are left from before the first event that could be had.
 * `stalled`: requests finish and no event comes. `audit`: answers report other cached tokens than
 * the events foretell. `unreadable`: batches that nobody here can read. `down`: the engine is out.
 */
export type Doubt = "stream" | "beginning" | "stalled" | "audit" | "unreadable" | "down";

/** Whether one replica's events may be believed; nobody doubts means yes. */
export interface Trust {
  readonly isTrusted: boolean;
  readonly doubts: readonly Doubt[];
  /** Raises a doubt or lays it to rest. */
  set(doubt: Doubt, isDoubted: boolean): void;
}

/** Starts in doubt until the stream is there; `onChange` hears only changes of the verdict. */
export function createTrust(
  onChange: (isTrusted: boolean, doubts: readonly Doubt[]) => void,
): Trust {
  const doubts = new Set<Doubt>(["stream"]);
  return {
    get isTrusted() {
      return doubts.size === 0;
    },
    get doubts() {
      return [...doubts];
    },
    set(doubt, isDoubted) {
      const before = doubts.size === 0;
      if (isDoubted) doubts.add(doubt);
      else doubts.delete(doubt);
      const isTrusted = doubts.size === 0;
      if (isTrusted !== before) onChange(isTrusted, [...doubts]);
    },
  };
}
