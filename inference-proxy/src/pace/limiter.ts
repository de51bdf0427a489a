import type { Clock } from "@warmpath/runtime/base";
import { type Account, type AccountName, createLocalAccount } from "./account.ts";
import { type Accounts, createAccounts } from "./accounts.ts";
import { createLeaseRounds, type LeaseRounds, leaseMsDefault } from "./lease-rounds.ts";
import { createLeasedAccount, type LeasedAccount } from "./leased-account.ts";
import { limitHeaders } from "./limit-headers.ts";
import type { LimitStore } from "./limit-store.ts";
import { amountOf } from "./match-rules.ts";
import { createReservation, noReservation } from "./reservation.ts";
import { type Attempted, longestWaitMs, takeAll } from "./take-all.ts";
import type { Estimate, LimitRule, Subject, Taken } from "./types.ts";

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
  /** False when a replica has limits of its own: then `replicaWaitMs` is worth a call. */
  readonly areReplicasFree: boolean;
  /** How long the replica's own limits keep such a request away, in ms; 0: they do not. */
  replicaWaitMs(replica: string, subject: Subject, estimate: Estimate): number;
  /** True when one of them keeps it away that is a tenant's, user's or key's, not everybody's. */
  isKeptAlone(replica: string, subject: Subject, estimate: Estimate): boolean;
  close(): Promise<void>;
}

/** What the limiter stands on. */
export interface LimiterOptions {
  readonly rules: readonly LimitRule[];
  readonly clock: Clock;
  /** Buckets kept; beyond that the one unused longest is forgotten, and with it its count. */
  readonly accountsMax: number;
  /** Answer tokens that a stream takes at once when it outgrows its reservation. */
  readonly topUpTokens: number;
  /** Where several proxies share their buckets; absent: this process has them alone. */
  readonly shared?: {
    readonly store: LimitStore;
    /** How long a lease outlives the last word of its holder, in ms. Default 3000. */
    readonly leaseMs?: number;
    /** Unique among all proxies, and new with each start. */
    readonly holder: string;
    /** Told when the store falls silent or is back. */
    readonly onStore: (isThere: boolean) => void;
  };
}

/** Makes the buckets of `rules` on demand, in this process or as leases of the shared ones. */
export function createLimiter(options: LimiterOptions): Limiter {
  const { rules, clock, accountsMax, shared } = options;
  const base = { rules, clock, accountsMax };
  if (shared === undefined) {
    const make = (rule: LimitRule, name: AccountName) =>
      createLocalAccount(rule, name, clock.monotonicMs());
    const accounts = createAccounts<Account>({ ...base, make });
    return joinLimiter(options, {
      accounts,
      take: (wanted, estimate) => takeAll(wanted, estimate, clock.monotonicMs()),
      askForMore: () => undefined,
      close: async () => undefined,
    });
  }
  let made = 0;
  const accounts = createAccounts<LeasedAccount>({
    ...base,
    make: (rule, name) => {
      made += 1;
      // An account that was forgotten may have a lease yet: one made anew must not speak for it, or
      // what that has spent would come back.
      return createLeasedAccount(rule, name, `${shared.holder}.${made}`);
    },
  });
  const { leaseMs = leaseMsDefault } = shared;
  const rounds = createLeaseRounds({ ...shared, leaseMs, clock, accounts: () => accounts.all() });
  return joinLimiter(options, {
    accounts,
    take: (wanted, estimate) => takeLeased(wanted, estimate, { clock, rounds }),
    askForMore: (wanted, estimate) => {
      for (const account of wanted) {
        rounds.renew(account, amountOf(account.rule.kind, estimate));
      }
    },
    close: () => rounds.close(),
  });
}

/** What differs between buckets of this process and leases of shared ones. */
interface Ways<A extends Account> {
  readonly accounts: Accounts<A>;
  readonly take: (wanted: readonly A[], estimate: Estimate) => Attempted | Promise<Attempted>;
  /** So that a later request finds more; nobody waits for it. */
  readonly askForMore: (wanted: readonly A[], estimate: Estimate) => void;
  readonly close: () => Promise<void>;
}

function joinLimiter<A extends Account>(options: LimiterOptions, ways: Ways<A>): Limiter {
  const { clock, topUpTokens } = options;
  const { accounts } = ways;

  /** Synchronous, since the replica was chosen for what it has now. */
  const moveTo = (subject: Subject, estimate: Estimate) => (replica: string) => {
    const wanted = accounts.at(subject, replica);
    const attempted = takeAll(wanted, estimate, clock.monotonicMs());
    if ("rule" in attempted) {
      ways.askForMore(wanted, estimate);
    }
    return attempted;
  };

  return {
    isOff: options.rules.length === 0,
    areReplicasFree: accounts.areReplicasFree,
    reserve: (subject, estimate, requestsPerMinute) => {
      const wanted = accounts.of(subject, requestsPerMinute);
      if (wanted.length === 0 && accounts.areReplicasFree) {
        return { reservation: noReservation };
      }
      const finish = (attempted: Attempted): Taken =>
        "rule" in attempted
          ? { refusal: attempted, headers: limitHeaders(wanted, clock.monotonicMs()) }
          : {
              reservation: createReservation({
                charges: attempted,
                estimate,
                clock,
                topUpTokens,
                moveTo: accounts.areReplicasFree ? undefined : moveTo(subject, estimate),
              }),
            };
      const taken = ways.take(wanted, estimate);
      return taken instanceof Promise ? taken.then(finish) : finish(taken);
    },
    replicaWaitMs: (replica, subject, estimate) => {
      const wanted = accounts.at(subject, replica);
      const waitMs = longestWaitMs(wanted, estimate, clock.monotonicMs());
      if (waitMs > 0) {
        ways.askForMore(wanted, estimate);
      }
      return waitMs;
    },
    isKeptAlone: (replica, subject, estimate) => {
      const own = accounts.at(subject, replica).filter(isSomebodys);
      return longestWaitMs(own, estimate, clock.monotonicMs()) > 0;
    },
    close: ways.close,
  };
}

function isSomebodys({ rule: { scope } }: Account): boolean {
  return scope.tenant !== undefined || scope.user !== undefined || scope.key !== undefined;
}

/** At once where the leases have enough; else the store is asked, and it is tried again. */
function takeLeased(
  wanted: readonly LeasedAccount[],
  estimate: Estimate,
  { clock, rounds }: { readonly clock: Clock; readonly rounds: LeaseRounds },
): Attempted | Promise<Attempted> {
  const tryNow = (): Attempted => {
    const attempted = takeAll(wanted, estimate, clock.monotonicMs());
    if ("rule" in attempted) {
      return rounds.isThere ? attempted : { ...attempted, isAway: !isOnItsOwn(wanted, attempted) };
    }
    for (const account of wanted) {
      if (account.isLow) {
        rounds.renew(account, 0);
      }
    }
    return attempted;
  };
  const first = tryNow();
  if (!("rule" in first) || isJustKnown(wanted, estimate, clock.monotonicMs())) {
    return first;
  }
  return new Promise((resolve) => {
    rounds.ask({
      accounts: wanted,
      amounts: wanted.map(({ rule }) => amountOf(rule.kind, estimate)),
      settle: (news) => {
        const attempted = tryNow();
        if ("rule" in attempted && news === "changed") {
          return false;
        }
        resolve(attempted);
        return true;
      },
    });
  });
}

/**
 * True when the store has just said that there is nothing: a flood that is refused must not become
 * a flood on the store.
 */
function isJustKnown(wanted: readonly LeasedAccount[], estimate: Estimate, nowMs: number): boolean {
  return wanted.some(
    (account) =>
      account.isFresh(nowMs) && account.waitMs(amountOf(account.rule.kind, estimate), nowMs) > 0,
  );
}

/** True when the limit that refused is held to by this process's own count. */
function isOnItsOwn(wanted: readonly LeasedAccount[], { rule }: { readonly rule: LimitRule }) {
  return wanted.some((account) => account.rule === rule && account.isOnItsOwn);
}
