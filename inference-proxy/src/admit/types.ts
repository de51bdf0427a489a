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

/** One waiting request. */
export interface Waiting<T> {
  readonly lane: Lane;
  /** Requests of one group wait for the same thing: if the first cannot start, no other can. */
  readonly group: string;
  readonly bytes: number;
  readonly item: T;
}

/** A place in the queue. */
export interface Place {
  /** Leaves the queue; true if it was still waiting. */
  leave(): boolean;
  /** How many of the same group and lane go first. */
  position(): number;
}
