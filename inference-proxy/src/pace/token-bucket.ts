/** A rate: so much per period, and as much at once. */
export interface Rate {
  readonly amount: number;
  /** In ms; 0: it does not refill, and what was taken has to be put back. */
  readonly periodMs: number;
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
  const gained = rate.periodMs === 0 ? 0 : (elapsedMs * rate.amount) / rate.periodMs;
  bucket.left = Math.min(most, bucket.left + gained);
  bucket.atMs = Math.max(bucket.atMs, nowMs);
}

/**
 * How long until a bucket that has `left` can give `amount`, in ms; 0 when it can now. An amount
 * above the whole bucket goes when the bucket is full, and leaves debt: otherwise it could never
 * go. What does not refill is worth asking for again after `unknownMs`.
 */
export function waitMs(left: number, amount: number, rate: Rate, unknownMs: number): number {
  const short = Math.min(amount, rate.amount) - left;
  if (short <= 0) {
    return 0;
  }
  return rate.periodMs === 0 ? unknownMs : Math.ceil((short * rate.periodMs) / rate.amount);
}
