import type { Clock } from "@warmpath/runtime/base";
import { type Account, createLocalAccount } from "./account.ts";
import { createLeaseRounds, type LeaseRounds } from "./lease-rounds.ts";
import { createLeasedAccount, type LeasedAccount } from "./leased-account.ts";
import { limitHeaders } from "./limit-headers.ts";
import type { LimitStore } from "./limit-store.ts";
import { amountOf, bucketName, keyRule, matches } from "./match-rules.ts";
import { type Charge, chargeOf, createReservation, type MoveTo } from "./reservation.ts";
import type { Estimate, LimitRule, Refusal, Subject, Taken } from "./types.ts";

/** All limits, as one process holds to them. */
export interface Limiter {
  /**
   * Takes one request and what it is expected to use from everything that limits it, or nothing.
   * Synchronous wherever this process holds enough; else the answer waits for the shared store.
   * `requestsPerMinute` is the key's own limit; 0: none.
   */
  reserve(subject: Subject, estimate: Estimate, requestsPerMinute: number): Taken | Promise<Taken>;
  /** True when no limit is stated at all: then only a key's own limit is worth a call. */
  readonly isOff: boolean;
  /** How long the replica's own limits keep a request of this subject away, in ms; 0: they do not. */
  replicaWaitMs(replica: string, subject: Subject, estimate: Estimate): number;
  close(): Promise<void>;
}

type Attempted = readonly Charge[] | Refusal;

/** Makes the buckets of `rules` on demand, in this process or as leases of `shared`'s store. */
export function createLimiter(options: {
  readonly rules: readonly LimitRule[];
  readonly clock: Clock;
  /** Buckets kept; beyond that the one unused longest is forgotten, and with it its count. */
  readonly accountsMax: number;
  /** Answer tokens that a stream takes at once when it outgrows its reservation. */
  readonly topUpTokens: number;
  readonly shared?: {
    readonly store: LimitStore;
    /** Unique among all proxies, and new with each start. */
    readonly holder: string;
    /** Told when the store falls silent or is back. */
    readonly onStore: (isThere: boolean) => void;
  };
}): Limiter {
  const { clock, accountsMax, shared } = options;
  const rules = options.rules.filter(({ scope }) => scope.replica === undefined);
  const replicaRules = options.rules.filter(({ scope }) => scope.replica !== undefined);
  const accounts = new Map<string, Account | LeasedAccount>();
  const rounds: LeaseRounds | undefined =
    shared &&
    createLeaseRounds({
      store: shared.store,
      clock,
      onStore: shared.onStore,
      accounts: () => [...accounts.values()].filter(isLeased),
    });

  const accountOf = (rule: LimitRule, subject: Subject, replica: string): Account => {
    const name = bucketName(rule, subject, replica);
    const known = accounts.get(name);
    // Moves the account to the end of the map's order, so that the first ones are the oldest.
    accounts.delete(name);
    if (known !== undefined && known.rule === rule) {
      accounts.set(name, known);
      return known;
    }
    const nowMs = clock.monotonicMs();
    const made =
      shared === undefined
        ? createLocalAccount(rule, name, nowMs)
        : createLeasedAccount(rule, name, shared.holder);
    accounts.set(name, made);
    if (accounts.size > accountsMax) {
      forgetOne(accounts, nowMs);
    }
    return made;
  };

  const accountsFor = (subject: Subject, requestsPerMinute: number): readonly Account[] => {
    const found: Account[] = [];
    if (requestsPerMinute > 0) {
      found.push(accountOf(keyRule(requestsPerMinute), subject, ""));
    }
    for (const rule of rules) {
      if (matches(rule, subject)) {
        found.push(accountOf(rule, subject, ""));
      }
    }
    return found;
  };

  const accountsAt = (subject: Subject, replica: string): readonly Account[] =>
    replicaRules
      .filter(({ scope }) => scope.replica === "*" || scope.replica === replica)
      .filter((rule) => matches(rule, subject))
      .map((rule) => accountOf(rule, subject, replica));

  /** All or nothing in one synchronous step. */
  const tryAll = (wanted: readonly Account[], estimate: Estimate): Attempted => {
    const nowMs = clock.monotonicMs();
    let refusal: Refusal | undefined;
    for (const account of wanted) {
      const amount = amountOf(account.rule.kind, estimate);
      if (canTake(account, amount, nowMs)) {
        continue;
      }
      const retryAfterMs = Math.max(1, account.waitMs(amount, nowMs));
      if (refusal === undefined || retryAfterMs > refusal.retryAfterMs) {
        const isAway = rounds?.isThere === false && !(isLeased(account) && account.isOnItsOwn);
        refusal = { rule: account.rule, retryAfterMs, isAway };
      }
    }
    if (refusal !== undefined) {
      return refusal;
    }
    const charges = wanted.map((account) => {
      const charge = chargeOf(account, amountOf(account.rule.kind, estimate), nowMs);
      if (rounds !== undefined && isLeased(account) && account.isLow) {
        rounds.renew(account, 0);
      }
      return charge;
    });
    return charges;
  };

  const takeAll = (
    wanted: readonly Account[],
    estimate: Estimate,
  ): Attempted | Promise<Attempted> => {
    const first = tryAll(wanted, estimate);
    if (rounds === undefined || !("rule" in first)) {
      return first;
    }
    return new Promise((resolve) => {
      rounds.ask({
        accounts: wanted.filter(isLeased),
        amounts: wanted.map(({ rule }) => amountOf(rule.kind, estimate)),
        settle: (news) => {
          const again = tryAll(wanted, estimate);
          if ("rule" in again && news === "changed") {
            return false;
          }
          resolve(again);
          return true;
        },
      });
    });
  };

  const moveTo = (subject: Subject, estimate: Estimate): MoveTo | undefined =>
    replicaRules.length === 0
      ? undefined
      : (replica) => {
          const wanted = accountsAt(subject, replica);
          const attempted = tryAll(wanted, estimate);
          if ("rule" in attempted) {
            askForMore(wanted, estimate);
          }
          return attempted;
        };

  /** The next request to this replica will find it, or not; nobody waits for it here. */
  const askForMore = (wanted: readonly Account[], estimate: Estimate): void => {
    for (const account of wanted) {
      if (rounds !== undefined && isLeased(account)) {
        rounds.renew(account, amountOf(account.rule.kind, estimate));
      }
    }
  };

  const finish = (
    attempted: Attempted,
    asked: { wanted: readonly Account[]; subject: Subject; estimate: Estimate },
  ): Taken =>
    "rule" in attempted
      ? { refusal: attempted, headers: limitHeaders(asked.wanted, clock.monotonicMs()) }
      : {
          reservation: createReservation({
            charges: attempted,
            estimate: asked.estimate,
            clock,
            topUpTokens: options.topUpTokens,
            moveTo: moveTo(asked.subject, asked.estimate),
          }),
        };

  return {
    isOff: options.rules.length === 0,
    reserve: (subject, estimate, requestsPerMinute) => {
      const wanted = accountsFor(subject, requestsPerMinute);
      const asked = { wanted, subject, estimate };
      const taken = takeAll(wanted, estimate);
      return taken instanceof Promise
        ? taken.then((attempted) => finish(attempted, asked))
        : finish(taken, asked);
    },
    replicaWaitMs: (replica, subject, estimate) => {
      let longestMs = 0;
      const nowMs = clock.monotonicMs();
      const wanted = replicaRules.length === 0 ? [] : accountsAt(subject, replica);
      for (const account of wanted) {
        const amount = amountOf(account.rule.kind, estimate);
        if (!canTake(account, amount, nowMs)) {
          longestMs = Math.max(longestMs, account.waitMs(amount, nowMs), 1);
        }
      }
      if (longestMs > 0) {
        askForMore(wanted, estimate);
      }
      return longestMs;
    },
    close: async () => {
      await rounds?.close();
    },
  };
}

function isLeased(account: Account): account is LeasedAccount {
  return "claim" in account;
}

/** An amount above the whole limit goes from a full bucket: otherwise it could never go. */
function canTake(account: Account, amount: number, nowMs: number): boolean {
  return account.available(nowMs) >= Math.min(amount, account.rule.amount);
}

/** Forgets the account unused longest of those that nobody owes anything; looks at a few only. */
function forgetOne(accounts: Map<string, Account>, nowMs: number): void {
  let looked = 0;
  for (const [name, account] of accounts) {
    if (account.isIdle(nowMs) || looked === looksMax) {
      accounts.delete(name);
      return;
    }
    looked += 1;
  }
}

const looksMax = 16;
