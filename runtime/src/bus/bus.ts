/**
 * Live announcements between processes: deltas of answers in progress, wake-ups, revocations. Lossy
 * by contract: a message reaches those who listen at that moment, or nobody. What must not be lost
 * goes to the record.
 */
export interface Bus {
  /**
   * Hands over and returns at once; never throws. Dropped, and counted, when there is no connection
   * or the payload is too large. The payload must not change afterwards.
   */
  publish(subject: string, payload: Uint8Array): void;
  /**
   * Delivers what is published from now on. `*` stands for one word of the subject, a final `>` for
   * one or more. Messages of one publisher arrive in order. A callback that throws is logged and
   * misses nothing.
   */
  subscribe(subject: string, onMessage: OnMessage): Promise<Subscription>;
  /** Throws `rejected-unavailable` while there is no connection; for readiness checks. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** Takes one message; must return soon, since the next one waits for it. */
export type OnMessage = (payload: Uint8Array, subject: string) => void;

/** An interest that ends when closed; nothing is delivered after that. */
export interface Subscription {
  close(): void;
}

/** Bounds of a bus; the same for every implementation, so that what fits one fits the other. */
export const busLimits = {
  /** Largest payload in bytes: NATS's own default of 1 MiB. */
  payloadBytesMax: 1024 * 1024,
  /** Subscriptions of one process: one a watched task, and some for itself. */
  subscriptionsMax: 65_536,
  /** Messages that may wait for one slow subscriber; further ones are dropped and counted. */
  pendingMax: 8_192,
  /** Longest subject in characters. */
  subjectCharsMax: 512,
} as const;
