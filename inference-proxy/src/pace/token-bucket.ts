import type { Calendar } from "./types.ts";

/** A rate: so much per period, and as much at once. */
export interface Rate {
  readonly amount: number;
  /** In ms; 0: it does not refill, and what was taken has to be put back. */
  readonly periodMs: number;
  /** Of a budget: it does not refill either, the next period has a bucket of its own. */
  readonly calendar?: Calendar | undefined;
}

/**
 * What is left in one bucket, and when that was true. Below zero is debt, paid back before anything
 * else.
 */
export interface Bucket {
  left: number;
  atMs: number;
}

/** A bucket that nothing was taken from. */
export function fullBucket(rate: Rate, nowMs: number): Bucket {
  return { left: rate.amount, atMs: nowMs };
}

/** Brings the bucket up to now, never above `most`. A clock that went back refills nothing. */
export function refill(bucket: Bucket, rate: Rate, nowMs: number, most = rate.amount): void {
  const elapsedMs = Math.max(0, nowMs - bucket.atMs);
  const gained = refills(rate) ? (elapsedMs * rate.amount) / rate.periodMs : 0;
  bucket.left = Math.min(most, bucket.left + gained);
  bucket.atMs = Math.max(bucket.atMs, nowMs);
}

function refills({ periodMs, calendar }: Rate): boolean {
  return periodMs > 0 && calendar === undefined;
}

/**
 * How much has to be there so that `amount` may go. What is above the whole bucket goes from a full
 * one and leaves debt: otherwise it could never go. A budget is not overdrawn for it.
 */
export function neededFor(amount: number, rate: Rate): number {
  return rate.calendar === undefined ? Math.min(amount, rate.amount) : amount;
}

/**
 * How long until a bucket that has `left` can give `amount`, in ms; 0 when it can now. What does
 * not refill is worth asking for again after `unknownMs`.
 */
export function waitMs(left: number, amount: number, rate: Rate, unknownMs: number): number {
  const short = neededFor(amount, rate) - left;
  if (short <= 0) {
    return 0;
  }
  return refills(rate) ? Math.ceil((short * rate.periodMs) / rate.amount) : unknownMs;
}
