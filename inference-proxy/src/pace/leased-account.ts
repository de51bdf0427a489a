import { type Account, type AccountName, createLocalAccount, retryMsOf } from "./account.ts";
import { type Asked, createLease } from "./lease.ts";
import type { Claim, Grant } from "./limit-store.ts";
import { waitMs } from "./token-bucket.ts";
import type { LimitRule } from "./types.ts";

/** A part of a shared bucket, spent without asking and renewed from time to time. */
export interface LeasedAccount extends Account {
  /** True while most of the slice is spent: a new one should be here before it is gone. */
  readonly isLow: boolean;
  /** True while the store has to hear of this lease again before it lapses. */
  readonly isHeld: boolean;
  /** The claim that renews the lease, or that begins one. */
  claim(asked: Asked): Claim;
  /** The store did nothing about the last claim, since it had forgotten another of the exchange. */
  passOver(grant: Grant): void;
  /** Takes the answer to the last claim in, which left for the store at `sentAtMs`. */
  apply(grant: Grant, sentAtMs: number, validMs: number): void;
  /** The store does not answer: an open limit goes on by this process's own count. */
  loseStore(nowMs: number): void;
  /** True while the store's last word is so new that asking again would bring the same. */
  isFresh(nowMs: number): boolean;
  /** True while an open limit runs without the store. */
  readonly isOnItsOwn: boolean;
}

/** What others gave back meanwhile is found this much later at most. */
const freshMs = 20;

/** A bucket of `rule` that other proxies share. */
export function createLeasedAccount(
  rule: LimitRule,
  { name, endsAtMs }: AccountName,
  holder: string,
): LeasedAccount {
  const isConcurrency = rule.periodMs === 0;
  const isBudget = rule.calendar !== undefined;
  const lease = createLease(rule, name, holder);
  let hadAnswer = false;
  let answeredAtMs = Number.NEGATIVE_INFINITY;
  /** The bucket that stands in while the store is away. */
  let alone: Account | undefined;
  /** Marks what was taken alone, below zero; what was taken of a lease has the lease's mark. */
  let aloneMark = 0;

  const available = (nowMs: number): number => {
    if (alone === undefined) {
      return lease.spare(nowMs);
    }
    return isConcurrency ? rule.amount - lease.spent : alone.available(nowMs);
  };
  const left = (nowMs: number): number =>
    alone === undefined ? lease.spare(nowMs) + lease.storeLeft : available(nowMs);

  return {
    rule,
    name,
    endsAtMs,
    available,
    left: (nowMs) => Math.min(rule.amount, left(nowMs)),
    waitMs: (amount, nowMs) => waitMs(left(nowMs), amount, rule, retryMsOf(endsAtMs, nowMs)),
    get isLow() {
      return alone === undefined && lease.spare(Number.NEGATIVE_INFINITY) < rule.slice / 2;
    },
    get isHeld() {
      return !lease.isTold || (isConcurrency && lease.spent > 0);
    },
    get isOnItsOwn() {
      return alone !== undefined;
    },
    take: (amount, nowMs) => {
      if (alone !== undefined && !isConcurrency) {
        alone.take(amount, nowMs);
        if (!isBudget) {
          return aloneMark;
        }
        // What a budget was spent on while the store was away is told when it is back.
      }
      lease.spend(amount);
      return lease.mark;
    },
    giveBack: (amount, taken, nowMs) => {
      if (isBudget) {
        alone?.giveBack(amount, 0, nowMs);
        lease.spend(-amount);
      } else if (isConcurrency || taken === lease.mark) {
        lease.spend(-amount);
      } else if (alone !== undefined && (taken === aloneMark || amount < 0)) {
        alone.giveBack(amount, 0, nowMs);
      } else if (amount < 0) {
        lease.spend(-amount);
      }
      // A refund of an earlier lease is dropped: the store was told that it is spent, and refills.
    },
    isFresh: (nowMs) => alone === undefined && nowMs - answeredAtMs < freshMs,
    isIdle: (nowMs) =>
      (!isConcurrency || lease.spent === 0) && (!lease.isValid(nowMs) || lease.isTold),
    claim: (asked) => {
      if (alone !== undefined || (hadAnswer && !lease.isValid(asked.nowMs))) {
        lease.beginAnew();
      }
      return lease.claim(asked);
    },
    passOver: ({ left: storeLeft }) => lease.passOver(storeLeft),
    apply: (grant, sentAtMs, validMs) => {
      alone = undefined;
      hadAnswer = true;
      answeredAtMs = sentAtMs;
      lease.apply(grant, sentAtMs, validMs);
    },
    loseStore: (nowMs) => {
      if (rule.onError === "open" && alone === undefined) {
        const known = hadAnswer ? Math.min(rule.amount, left(nowMs)) : rule.amount;
        const standIn = createLocalAccount(rule, { name, endsAtMs }, nowMs);
        standIn.take(rule.amount - known, nowMs);
        alone = standIn;
        aloneMark -= 1;
      }
    },
  };
}
