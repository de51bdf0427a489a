import type { Bucket, Rate, Reserved } from "./types.ts";

const msPerMinute = 60_000;

/** A bucket that nothing was taken from. */
export function fullBucket(rate: Rate, nowMs: number): Bucket {
  return { left: rate.perMinute, atMs: nowMs };
}

/**
 * Takes `amount`, or says when it could be had. An amount above the whole burst is let through once
 * the bucket is full, and leaves debt: otherwise it could never run.
 */
export function reserve(bucket: Bucket, rate: Rate, amount: number, nowMs: number): Reserved {
  const left = refilled(bucket, rate, nowMs);
  const needed = Math.min(amount, rate.perMinute);
  if (left >= needed) {
    return { bucket: { left: left - amount, atMs: nowMs } };
  }
  return { retryAfterMs: Math.ceil(((needed - left) * msPerMinute) / rate.perMinute) };
}

/** Corrects a reservation by what was really used: a refund when positive, debt when negative. */
export function settle(bucket: Bucket, rate: Rate, refund: number, nowMs: number): Bucket {
  const left = refilled(bucket, rate, nowMs) + refund;
  return { left: Math.min(rate.perMinute, left), atMs: nowMs };
}

function refilled(bucket: Bucket, rate: Rate, nowMs: number): number {
  const gained = ((nowMs - bucket.atMs) * rate.perMinute) / msPerMinute;
  return Math.min(rate.perMinute, bucket.left + Math.max(0, gained));
}
