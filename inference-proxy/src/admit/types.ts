/** Priority class, best first. */
export type Lane = "interactive" | "standard" | "batch";

/** The lanes in the order in which they are served. */
export const lanes = ["interactive", "standard", "batch"] as const satisfies readonly Lane[];

/** What the queue may hold, and how long a lane may be passed over. */
export interface WaitLimits {
  /** Requests over all lanes. */
  readonly requestsMax: number;
  /** Body bytes over all lanes: a few huge prompts must not fill the memory. */
  readonly bytesMax: number;
  /** Times that a lane with someone waiting may be passed over before it goes first. */
  readonly passedOverMax: number;
}

/** What a queue is bounded in. */
export type Unit = "requests" | "bytes";

/** What decides about the order. */
export interface Claim {
  readonly lane: Lane;
  /** Requests of one group wait for the same thing: if the first cannot start, no other can. */
  readonly group: string;
  /** Those of one lane share it evenly between tenants. */
  readonly tenant: string;
}

/** One waiting request. */
export interface Waiting<T> extends Claim {
  /**
   * Those of one tenant go in the order of their ranks: a time of arrival, and so much later as it
   * is the turn of whoever needs less.
   */
  readonly rank: number;
  readonly bytes: number;
  readonly item: T;
}

/**
 * What came of an offer to start: false where nobody behind it could either, "passed" where it is
 * kept by something of its own, "no-room" where it is too large for now.
 */
export type Started = boolean | "passed" | "no-room";

/** A place in the queue. */
export interface Place {
  /** Leaves the queue; true if it was still waiting. */
  leave(): boolean;
}

/** A request that is being served, on its tenant's account. */
export interface Service {
  /** Ends it, and replaces what was charged at its start; later calls do nothing. */
  settle(serviceTokens: number): void;
}
