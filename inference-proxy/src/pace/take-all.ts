import type { Account } from "./account.ts";
import { amountOf } from "./match-rules.ts";
import { type Charge, chargeOf } from "./reservation.ts";
import { neededFor } from "./token-bucket.ts";
import type { Estimate, Refusal } from "./types.ts";

/** What was taken from each account, or the refusal of the one that takes longest. */
export type Attempted = readonly Charge[] | Refusal;

/** All or nothing in one synchronous step. */
export function takeAll(wanted: readonly Account[], estimate: Estimate, nowMs: number): Attempted {
  let refusal: Refusal | undefined;
  for (const account of wanted) {
    const retryAfterMs = waitOf(account, estimate, nowMs);
    if (retryAfterMs > (refusal?.retryAfterMs ?? 0)) {
      refusal = { rule: account.rule, retryAfterMs, isAway: false };
    }
  }
  return (
    refusal ??
    wanted.map((account) => chargeOf(account, amountOf(account.rule.kind, estimate), nowMs))
  );
}

/** How long until all of it could be had, in ms; 0: now. */
export function longestWaitMs(
  wanted: readonly Account[],
  estimate: Estimate,
  nowMs: number,
): number {
  let longestMs = 0;
  for (const account of wanted) {
    longestMs = Math.max(longestMs, waitOf(account, estimate, nowMs));
  }
  return longestMs;
}

function waitOf(account: Account, estimate: Estimate, nowMs: number): number {
  const amount = amountOf(account.rule.kind, estimate);
  return account.available(nowMs) >= neededFor(amount, account.rule)
    ? 0
    : Math.max(1, account.waitMs(amount, nowMs));
}
