import { fullBucket, refill, waitMs } from "./token-bucket.ts";
import type { LimitRule } from "./types.ts";

/** Which bucket of a limit it is. */
export interface AccountName {
  /** Unique among all buckets of all limits; the same in every proxy. */
  readonly name: string;
  /** Of a budget, when its day or month is over, on the monotonic clock. */
  readonly endsAtMs: number | undefined;
}

/** One bucket of one limit, as this process sees it. */
export interface Account extends AccountName {
  readonly rule: LimitRule;
  /** What may be taken at once. Below zero: debt. */
  available(nowMs: number): number;
  /** What is left of the limit as far as this process knows, for people. */
  left(nowMs: number): number;
  /** How long until `amount` may be taken, in ms; 0: now. */
  waitMs(amount: number, nowMs: number): number;
  /** Takes the amount, whatever is left; the result belongs to `giveBack`. */
  take(amount: number, nowMs: number): number;
  /** Puts back what `taken` (the result of `take`) had too much; a negative amount is debt. */
  giveBack(amount: number, taken: number, nowMs: number): void;
  /** False while something is out that has to come back: it must not be forgotten. */
  isIdle(nowMs: number): boolean;
}

/** A request ends about every second wherever requests are open at all. */
export const concurrencyRetryMs = 1000;

/** When what does not refill is worth asking for again. */
export function retryMsOf(endsAtMs: number | undefined, nowMs: number): number {
  return endsAtMs === undefined ? concurrencyRetryMs : Math.max(1, endsAtMs - nowMs);
}

/** A bucket that belongs to this process alone. */
export function createLocalAccount(
  rule: LimitRule,
  { name, endsAtMs }: AccountName,
  nowMs: number,
): Account {
  const bucket = fullBucket(rule, nowMs);
  const left = (atMs: number): number => {
    refill(bucket, rule, atMs);
    return bucket.left;
  };
  return {
    rule,
    name,
    endsAtMs,
    available: left,
    left,
    waitMs: (amount, atMs) => waitMs(left(atMs), amount, rule, retryMsOf(endsAtMs, atMs)),
    take: (amount, atMs) => {
      bucket.left = left(atMs) - amount;
      return 0;
    },
    giveBack: (amount, _taken, atMs) => {
      bucket.left = Math.min(rule.amount, left(atMs) + amount);
    },
    isIdle: (atMs) => left(atMs) >= rule.amount || (endsAtMs !== undefined && atMs >= endsAtMs),
  };
}
