import type { Clock } from "@warmpath/runtime/base";
import { type Asker, createAskers } from "./askers.ts";
import type { LeasedAccount } from "./leased-account.ts";
import type { Exchanged, Grant, LimitStore } from "./limit-store.ts";

/** Carries what the accounts of one process say to the store, one exchange at a time. */
export interface LeaseRounds {
  /** Asks for all of it, and settles the asker when an answer or its absence decides. */
  ask(asker: Asker): void;
  /**
   * Renews the account's lease with the next exchange, and asks for `wish` units more if they are
   * there; nobody waits for it.
   */
  renew(account: LeasedAccount, wish: number): void;
  /** False while the store does not answer. */
  readonly isThere: boolean;
  close(): Promise<void>;
}

/** What the exchanges need of the process. */
export interface LeaseRoundsOptions {
  readonly store: LimitStore;
  readonly clock: Clock;
  /** How long leases last in the store. */
  readonly leaseMs: number;
  /** All accounts; those that hold something are renewed in time. */
  readonly accounts: () => Iterable<LeasedAccount>;
  /** Told when the store falls silent and when it is back. */
  readonly onStore: (isThere: boolean) => void;
}

/** How long leases last in the store, in ms: so long a dead proxy's places stay taken. */
export const leaseMsDefault = 3000;
/** They lapse here sooner than there, by more than two clocks drift apart meanwhile. */
const validShare = 5 / 6;
/** Two renewals may get lost before a lease does. */
const renewalsPerLease = 3;
/** Askers at once; more are refused, since the store must be far behind. */
const askersMax = 4096;
/** Exchanges that may pass before an asker hears a final word. */
const exchangesPerAskerMax = 4;
/** After a failure, how long nobody waits for the store. */
const awayMs = 500;

/** Starts the renewal of all leases. */
export function createLeaseRounds(options: LeaseRoundsOptions): LeaseRounds {
  const { store, clock, leaseMs } = options;
  const askers = createAskers();
  const closed = new AbortController();
  let isRunning = false;
  let failedAtMs: number | undefined;

  const exchange = async (): Promise<void> => {
    const sentAtMs = clock.monotonicMs();
    const { accounts, claims } = askers.gather(sentAtMs);
    try {
      const exchanged = await store.exchange(claims, leaseMs);
      if (failedAtMs !== undefined) {
        failedAtMs = undefined;
        options.onStore(true);
      }
      apply(accounts, exchanged, sentAtMs, leaseMs * validShare);
      askers.settleAll(finalWord(exchanged, clock.monotonicMs()));
    } catch {
      // Whoever can goes on without the store; `onStore` has the word for people.
      const nowMs = clock.monotonicMs();
      if (failedAtMs === undefined) {
        options.onStore(false);
      }
      failedAtMs = nowMs;
      loseStore(accounts, nowMs);
      askers.loseStore(nowMs);
      askers.settleAll(() => true);
    }
  };

  const run = async (): Promise<void> => {
    if (isRunning) {
      return;
    }
    isRunning = true;
    // Askers of the same turn of the event loop share one exchange.
    await Promise.resolve();
    while (!closed.signal.aborted && !askers.isEmpty) {
      await exchange();
    }
    isRunning = false;
  };

  const renewAll = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      await clock.sleep(leaseMs / renewalsPerLease, closed.signal);
      for (const account of options.accounts()) {
        if (account.isHeld || account.isOnItsOwn) {
          askers.renew(account, 0);
        }
      }
      await run();
    }
  };
  // The sleep rejects only when this is closed, and then there is nothing left to do.
  renewAll().catch(() => undefined);

  const isAway = () => failedAtMs !== undefined && clock.monotonicMs() - failedAtMs < awayMs;
  return {
    get isThere() {
      return failedAtMs === undefined;
    },
    ask: (asker) => {
      if (isAway() || askers.count >= askersMax) {
        loseStore(asker.accounts, clock.monotonicMs());
        void (asker.settle("changed") || asker.settle("final"));
        return;
      }
      askers.join(asker);
      void run();
    },
    renew: (account, wish) => {
      askers.renew(account, wish);
      if (!isAway()) {
        void run();
      }
    },
    close: async () => {
      closed.abort();
      failedAtMs = clock.monotonicMs();
      askers.settleAll(() => true);
      await store.close();
    },
  };
}

/** Where one lease was forgotten, nothing was done: what the others told was not heard. */
function apply(
  accounts: readonly LeasedAccount[],
  { grants }: Exchanged,
  sentAtMs: number,
  validMs: number,
): void {
  const isLost = isOneLost(grants);
  for (const [index, account] of accounts.entries()) {
    const grant = grants[index];
    if (grant !== undefined && isLost && grant.kept !== undefined) {
      account.passOver(grant);
    } else if (grant !== undefined) {
      account.apply(grant, sentAtMs, validMs);
    }
  }
}

function isOneLost(grants: readonly Grant[]): boolean {
  return grants.some(({ kept }) => kept === undefined);
}

/**
 * Who need not wait any longer: the first one was refused, and of the others who asks for more than
 * the store has left. A lease that the store forgot refuses nobody: it begins anew.
 */
function finalWord({ isGranted, grants }: Exchanged, nowMs: number) {
  const isLost = isOneLost(grants);
  return ({ accounts, amounts }: Asker, index: number, exchanges: number): boolean => {
    const isRefused = index === 0 && !isGranted;
    const asksTooMuch = () =>
      accounts.some((account, at) => account.waitMs(amounts[at] ?? 0, nowMs) > 0);
    return exchanges >= exchangesPerAskerMax || (!isLost && (isRefused || asksTooMuch()));
  };
}

function loseStore(accounts: readonly LeasedAccount[], nowMs: number): void {
  for (const account of accounts) {
    account.loseStore(nowMs);
  }
}
