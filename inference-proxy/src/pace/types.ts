/** A rate: so much per minute, and as much at once. */
export interface Rate {
  /** Units per minute, and the largest burst; 0 means no limit. */
  readonly perMinute: number;
}

/**
 * What is left in one bucket, and when that was true. Below zero is debt, paid back before anything
 * else.
 */
export interface Bucket {
  readonly left: number;
  readonly atMs: number;
}

/** The bucket after a reservation, or how long to wait for one. */
export type Reserved =
  | { readonly bucket: Bucket; readonly retryAfterMs?: undefined }
  | { readonly bucket?: undefined; readonly retryAfterMs: number };

/** The limits of one key. */
export interface KeyRates {
  readonly requests: Rate;
  readonly tokens: Rate;
}

/** An accepted reservation; settle it exactly once. */
export interface Reservation {
  /** Puts back what was not used, or takes the rest as debt. */
  settle(tokensUsed: number): void;
}
