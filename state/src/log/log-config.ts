/** Limits and times of the task log; `stateOptions` maps settings onto them. */
export interface LogConfig {
  /** How long a claim or renewal holds, in ms. */
  readonly leaseMs: number;
  /** Appends in one transaction. */
  readonly groupAppendsMax: number;
  /** Payload bytes in one transaction. */
  readonly groupBytesMax: number;
  /** Transactions of appends at once; the embedded database has one session. */
  readonly groupsInFlightMax: number;
  /** Appends that wait for a transaction; more are refused as `rejected-queue-full`. */
  readonly appendQueueMax: number;
  /** Payload bytes of one append. */
  readonly appendBytesMax: number;
  /** Bytes of the answer in progress kept for late watchers. */
  readonly liveBytesMax: number;
  /** How long an answer in progress is kept after its last piece, in ms. */
  readonly liveTtlMs: number;
  /** Pieces of answers on their way to the hot store. */
  readonly livePiecesMax: number;
  /** Pause between looks into the database while the queue is away, in ms. */
  readonly pollMs: number;
  /** How long an idempotency key is remembered, in ms. */
  readonly idempotencyMs: number;
  /**
   * How long after its dispatch an unclaimed task is dispatched again, in ms; doubles each time.
   */
  readonly redispatchMs: number;
  /** Tasks that one sweep dispatches. */
  readonly sweepTasksMax: number;
}

/** Values that suit both storages; the reasons are in `config.ts`. */
export const logConfigDefault: LogConfig = {
  leaseMs: 15_000,
  groupAppendsMax: 64,
  groupBytesMax: 4 * 1024 * 1024,
  groupsInFlightMax: 1,
  appendQueueMax: 10_000,
  appendBytesMax: 32 * 1024 * 1024,
  liveBytesMax: 256 * 1024,
  liveTtlMs: 10 * 60_000,
  livePiecesMax: 1024,
  pollMs: 500,
  idempotencyMs: 24 * 3_600_000,
  redispatchMs: 30_000,
  sweepTasksMax: 500,
};
