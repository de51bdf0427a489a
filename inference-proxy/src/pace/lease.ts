import type { Claim, Grant, Told } from "./limit-store.ts";
import type { LimitRule } from "./types.ts";

/** What is asked with a claim. */
export interface Asked {
  readonly need: number;
  readonly wish: number;
  readonly nowMs: number;
}

/** A part of one shared bucket, as its holder keeps count of it. */
export interface Lease {
  /** What may be spent here without asking; below zero is debt that the store hears of next. */
  spare(nowMs: number): number;
  /** Units in use, or used since the lease began. */
  readonly spent: number;
  /** What the store last said is left beyond all leases. */
  readonly storeLeft: number;
  /** Marks what is taken now; a later lease has another mark. */
  readonly mark: number;
  /** True while the store was told of all spending. */
  readonly isTold: boolean;
  readonly isValid: (nowMs: number) => boolean;
  /** Takes the amount, whatever is there; a negative amount puts back. */
  spend(amount: number): void;
  /** Ends this lease here; the next begins with what the store was not told yet. */
  beginAnew(): void;
  /** The claim that renews it; whatever it gives back may no longer be spent here. */
  claim(asked: Asked): Claim;
  /** The store has done nothing about the last claim; so much is left there. */
  passOver(left: number): void;
  /** Takes the answer to the last claim in, which left for the store at `sentAtMs`. */
  apply(grant: Grant, sentAtMs: number, validMs: number): void;
}

/**
 * All counts run since the lease began. It lapses here before it does in the store, so that nobody
 * spends what has come back there.
 */
export function createLease(rule: LimitRule, name: string, holder: string): Lease {
  const isConcurrency = rule.periodMs === 0;
  let mark = 0;
  let isFirst = true;
  let spent = 0;
  let kept = 0;
  /** Spent when the last claim that was answered was made. */
  let spentTold = 0;
  let spentInClaim = 0;
  /** Of a budget: the lease before this one. */
  let before: Told | undefined;
  let validUntilMs = Number.NEGATIVE_INFINITY;
  let storeLeft = 0;
  const fullName = () => `${holder}.${mark}`;

  return {
    get spent() {
      return spent;
    },
    get storeLeft() {
      return storeLeft;
    },
    get mark() {
      return mark;
    },
    get isTold() {
      return spent === spentTold && kept === spent;
    },
    isValid: (nowMs) => nowMs < validUntilMs,
    spare: (nowMs) => (nowMs < validUntilMs ? kept - spent : Math.min(0, kept - spent)),
    spend: (amount) => {
      spent += amount;
    },
    beginAnew: () => {
      if (isFirst) {
        // Nothing was heard of it yet: the same words again, and nothing is told twice.
        kept = spent;
        return;
      }
      // Units in use stay in use; of the rest, only untold spending is carried over. What came back
      // to a budget is, too, as it refills with nothing else; the store knows what it has heard.
      const isBudget = rule.calendar !== undefined;
      const untold = spent - spentTold;
      before = isBudget ? { holder: fullName(), spent: spentTold } : undefined;
      spent = isConcurrency ? spent : isBudget ? untold : Math.max(0, untold);
      kept = spent;
      spentTold = 0;
      mark += 1;
      isFirst = true;
    },
    claim: ({ need, wish }) => {
      // What nobody used since the last word goes back; a need above the limit wants a full bucket.
      const isUsed = need + wish > 0 || spent !== spentTold;
      const slice = isUsed && need <= rule.amount ? rule.slice : 0;
      kept = Math.max(spent, Math.min(kept, spent + slice));
      spentInClaim = spent;
      return {
        bucket: name,
        holder: fullName(),
        isFirst,
        amount: rule.amount,
        periodMs: rule.periodMs,
        calendar: rule.calendar,
        before: isFirst ? before : undefined,
        spent,
        kept,
        need: Math.max(0, need - (kept - spent)),
        wish,
        slice: spent + slice - kept,
      };
    },
    passOver: (left) => {
      storeLeft = left;
    },
    apply: (grant, sentAtMs, validMs) => {
      storeLeft = grant.left;
      if (grant.kept === undefined) {
        // The store forgot it: the next claim begins anew.
        validUntilMs = Number.NEGATIVE_INFINITY;
        return;
      }
      kept = grant.kept;
      spentTold = spentInClaim;
      isFirst = false;
      validUntilMs = sentAtMs + validMs;
    },
  };
}
