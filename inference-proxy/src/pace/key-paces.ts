import type { Clock } from "@warmpath/runtime/base";
import { fullBucket, reserve, settle } from "./token-bucket.ts";
import type { Bucket, KeyRates, Rate, Reservation, Reserved } from "./types.ts";

/** The limits of all keys seen lately, in this process. */
export interface KeyPaces {
  /** Takes one request and the estimated tokens, both or neither. */
  reserve(
    key: string,
    rates: KeyRates,
    tokensEstimated: number,
  ): { readonly reservation: Reservation } | { readonly retryAfterMs: number };
}

/** A bucket that no limit has been asked of yet does not exist: a limit begins with a full one. */
interface Pair {
  requests: Bucket | undefined;
  tokens: Bucket | undefined;
}

/**
 * Keeps two buckets per key for at most `keysMax` keys; the one unused longest is forgotten first,
 * and with it at most one burst of its limit.
 */
export function createKeyPaces(options: {
  readonly clock: Clock;
  readonly keysMax: number;
}): KeyPaces {
  const pairs = new Map<string, Pair>();

  const pairOf = (key: string): Pair => {
    const pair = pairs.get(key) ?? { requests: undefined, tokens: undefined };
    // Moves the key to the end of the map's order, so that the first one is the oldest.
    pairs.delete(key);
    pairs.set(key, pair);
    const [oldest] = pairs.keys();
    if (pairs.size > options.keysMax && oldest !== undefined) {
      pairs.delete(oldest);
    }
    return pair;
  };

  return {
    reserve: (key, rates, tokensEstimated) => {
      const nowMs = options.clock.monotonicMs();
      const pair = pairOf(key);
      const requests = reserveIfLimited(pair.requests, rates.requests, 1, nowMs);
      const tokens = reserveIfLimited(pair.tokens, rates.tokens, tokensEstimated, nowMs);
      if (requests?.retryAfterMs !== undefined || tokens?.retryAfterMs !== undefined) {
        return { retryAfterMs: Math.max(requests?.retryAfterMs ?? 0, tokens?.retryAfterMs ?? 0) };
      }
      pair.requests = requests?.bucket ?? pair.requests;
      pair.tokens = tokens?.bucket ?? pair.tokens;
      let isSettled = false;
      const settleOnce = (tokensUsed: number): void => {
        if (isSettled || tokens === undefined || pair.tokens === undefined) {
          return;
        }
        isSettled = true;
        const refund = tokensEstimated - tokensUsed;
        pair.tokens = settle(pair.tokens, rates.tokens, refund, options.clock.monotonicMs());
      };
      return { reservation: { settle: settleOnce } };
    },
  };
}

/** Undefined where there is no limit. */
function reserveIfLimited(
  bucket: Bucket | undefined,
  rate: Rate,
  amount: number,
  nowMs: number,
): Reserved | undefined {
  return rate.perMinute === 0
    ? undefined
    : reserve(bucket ?? fullBucket(rate, nowMs), rate, amount, nowMs);
}
