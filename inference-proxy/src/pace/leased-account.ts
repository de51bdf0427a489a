import { type Account, concurrencyRetryMs, createLocalAccount } from "./account.ts";
import type { Claim, Grant } from "./limit-store.ts";
import { waitMs } from "./token-bucket.ts";
import type { LimitRule } from "./types.ts";

/** A part of a shared bucket, spent without asking and renewed from time to time. */
export interface LeasedAccount extends Account {
  /** True while most of the slice is spent: a new one should be here before it is gone. */
  readonly isLow: boolean;
  /** True while the store has to hear of this lease again before it lapses. */
  readonly isHeld: boolean;
  /** The claim that renews the lease; whatever it gives back may no longer be spent here. */
  claim(asked: Asked): Claim;
  /** Takes the answer to the last claim in, which left for the store at `sentAtMs`. */
  apply(grant: Grant, sentAtMs: number, validMs: number): void;
  /** The store does not answer: an open limit goes on by this process's own count. */
  loseStore(nowMs: number): void;
  /** True while an open limit runs without the store. */
  readonly isOnItsOwn: boolean;
}

/** What is asked with a claim. */
export interface Asked {
  readonly need: number;
  readonly wish: number;
  readonly nowMs: number;
}

/**
 * What a bucket of `rule` holds here. All counts run since the lease began; when it lapses, or the
 * store forgot it, the next one begins with what the store was not told yet.
 */
export function createLeasedAccount(rule: LimitRule, name: string, holder: string): LeasedAccount {
  const isConcurrency = rule.periodMs === 0;
  let leases = 0;
  let isFirst = true;
  let spent = 0;
  let kept = 0;
  /** Spent when the last claim that was answered was made. */
  let spentTold = 0;
  let spentInClaim = 0;
  let validUntilMs = Number.NEGATIVE_INFINITY;
  /** What the store last said is left beyond all leases. */
  let storeLeft = 0;
  let alone: Account | undefined;
  /** Marks what was taken alone, by turns of being so; leases are marked by their count. */
  let alones = 0;

  /** Units in use stay in use; of what refills, only untold spending is carried over. */
  const beginAnew = (): void => {
    const carried = isConcurrency ? spent : Math.max(0, spent - spentTold);
    leases += 1;
    isFirst = true;
    spent = carried;
    kept = carried;
    spentTold = 0;
  };
  const spare = (nowMs: number): number =>
    nowMs < validUntilMs ? kept - spent : Math.min(0, kept - spent);
  const available = (nowMs: number): number => {
    if (alone === undefined) {
      return spare(nowMs);
    }
    return isConcurrency ? rule.amount - spent : alone.available(nowMs);
  };

  return {
    rule,
    name,
    get isLow() {
      return alone === undefined && kept - spent < rule.slice / 2;
    },
    get isHeld() {
      return kept !== spent || spent !== spentTold || (isConcurrency && spent > 0);
    },
    get isOnItsOwn() {
      return alone !== undefined;
    },
    available,
    left: (nowMs) =>
      alone === undefined ? Math.min(rule.amount, spare(nowMs) + storeLeft) : available(nowMs),
    waitMs: (amount, nowMs) => {
      const left = alone === undefined ? spare(nowMs) + storeLeft : available(nowMs);
      return waitMs(left, amount, rule, concurrencyRetryMs);
    },
    take: (amount, nowMs) => {
      if (alone !== undefined && !isConcurrency) {
        alone.take(amount, nowMs);
        return -alones;
      }
      spent += amount;
      return leases;
    },
    giveBack: (amount, taken, nowMs) => {
      if (isConcurrency || taken === leases) {
        spent -= amount;
      } else if (alone !== undefined && (taken === -alones || amount < 0)) {
        alone.giveBack(amount, 0, nowMs);
      } else if (amount < 0) {
        spent -= amount;
      }
      // A refund of an earlier lease is dropped: the store was told that it is spent.
    },
    isIdle: (nowMs) =>
      (!isConcurrency || spent === 0) && (nowMs >= validUntilMs || spent === spentTold),
    claim: ({ need, wish, nowMs }) => {
      if (alone !== undefined || (!isFirst && nowMs >= validUntilMs)) {
        beginAnew();
      }
      // What nobody used since the last word goes back; a need above the limit wants a full bucket.
      const isUsed = need + wish > 0 || spent !== spentTold;
      const slice = isUsed && need <= rule.amount ? rule.slice : 0;
      kept = Math.max(spent, Math.min(kept, spent + slice));
      spentInClaim = spent;
      return {
        bucket: name,
        holder: `${holder}.${leases}`,
        isFirst,
        amount: rule.amount,
        periodMs: rule.periodMs,
        spent,
        kept,
        need: Math.max(0, need - (kept - spent)),
        wish,
        slice: spent + slice - kept,
      };
    },
    apply: (grant, sentAtMs, validMs) => {
      alone = undefined;
      storeLeft = grant.left;
      if (grant.kept === undefined) {
        validUntilMs = Number.NEGATIVE_INFINITY;
        return;
      }
      kept = grant.kept;
      spentTold = spentInClaim;
      isFirst = false;
      validUntilMs = sentAtMs + validMs;
    },
    loseStore: (nowMs) => {
      if (rule.onError === "open" && alone === undefined) {
        alone = createLocalAccount(rule, name, nowMs);
        alones += 1;
      }
    },
  };
}
