/** What a limit counts. Money is counted in nano-dollars (1e-9 USD), tokens in tokens. */
export type LimitKind =
  | "requests"
  /** Prompt and answer together. */
  | "tokens"
  | "tokens-in"
  | "tokens-out"
  | "usd"
  /** Requests open at once. */
  | "concurrency";

/** The periods of budgets. */
export type Calendar = "day" | "month";

/** What a limit may be bound to. */
export type ScopeName = "tenant" | "user" | "key" | "model" | "replica";

/** All scopes, in the order in which limits are named to people. */
export const scopeNames: readonly ScopeName[] = ["tenant", "user", "key", "model", "replica"];

/**
 * What becomes of a request whose limit cannot be asked about because the shared store is away:
 * "open" holds it to the limit by this process's own count, "closed" refuses it.
 */
export type OnError = "open" | "closed";

/** One limit: so much of one kind per period, and as much at once, for whoever its scope names. */
export interface LimitRule {
  /** The scope and the kind as they are written, without amounts; leads its buckets' names. */
  readonly id: string;
  /** Exact values, or "*": each value has a bucket of its own. Absent: everybody shares one. */
  readonly scope: Readonly<Partial<Record<ScopeName, string>>>;
  readonly kind: LimitKind;
  /** Units per period and most units at once; below 2^53. */
  readonly amount: number;
  /** In ms; 0 for concurrency, which does not refill. Of a calendar's the longest there is. */
  readonly periodMs: number;
  /** Of a budget: the days or months of UTC that have so much each, and keep nothing over. */
  readonly calendar?: Calendar;
  /** Most units that one proxy holds unspent of a shared bucket. */
  readonly slice: number;
  readonly onError: OnError;
}

/** Whom and what a request is for. */
export type Subject = Readonly<Record<"tenant" | "user" | "key" | "model", string>>;

/** What a request is expected to use. Money in nano-dollars. */
export interface Estimate {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly inputCost: number;
  readonly outputCost: number;
}

/** What a request has used. Money in nano-dollars. */
export interface Used {
  /** 0 for one that is made once more, and counts then. Default 1. */
  readonly requests?: 0 | 1;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cost: number;
}

/** Why a request may not go now. */
export interface Refusal {
  readonly rule: LimitRule;
  /** Earliest time at which a retry can succeed, in ms from now. */
  readonly retryAfterMs: number;
  /** True when the limit is not used up, but cannot be asked about now. */
  readonly isAway: boolean;
}

/** An accepted reservation of everything that limits one request; settle it exactly once. */
export interface Reservation {
  /** Answer tokens that are paid for; a longer answer calls `topUp`. */
  readonly answerTokensPaid: number;
  /** Takes one more slice of answer tokens, as debt where nothing is left. */
  topUp(): void;
  /** Puts back what was not used, or takes the rest as debt. */
  settle(used: Used): void;
  /**
   * Moves what the replica's own limits hold to this one; the limits of the caller stay as they
   * are. Undefined: it is held; else nothing is held at any replica.
   */
  moveTo(replica: string): Refusal | undefined;
  /** What is left to the caller, as response headers; empty where no limit is the caller's own. */
  headers(): Readonly<Record<string, string>>;
}

/** The outcome of asking for everything at once. */
export type Taken =
  | { readonly reservation: Reservation; readonly refusal?: undefined }
  | {
      readonly reservation?: undefined;
      readonly refusal: Refusal;
      /** What is left to the caller, as with a reservation. */
      readonly headers: Readonly<Record<string, string>>;
    };
