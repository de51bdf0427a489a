/** What the log tells of itself; `metrics.ts` turns it into figures. */
export interface LogObserver {
  /** A transaction of appends begins, with this many. */
  group(size: number): void;
  /** An append ended: committed or refused, with its events, after this long. */
  append(isCommitted: boolean, events: number, ms: number): void;
  /** A claim ended. */
  claim(isGranted: boolean, ms: number): void;
}
