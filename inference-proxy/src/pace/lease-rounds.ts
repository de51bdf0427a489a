import type { Clock } from "@warmpath/runtime/base";
import type { LeasedAccount } from "./leased-account.ts";
import type { LimitStore } from "./limit-store.ts";

/** Somebody whose accounts hold too little here. */
export interface Asker {
  readonly accounts: readonly LeasedAccount[];
  /** What is asked of each, in their order. */
  readonly amounts: readonly number[];
  /**
   * Called when the leases have changed: settles the asker if it can be; "final" says that the
   * store has nothing to give it now, or does not answer.
   */
  settle(news: "changed" | "final"): boolean;
}

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

/** How long leases last, and how often they are renewed. */
export const leaseMs = 3000;
/** Less than `leaseMs` by more than clocks of two machines drift apart meanwhile. */
const leaseValidMs = 2500;
const renewEveryMs = 1000;
/** Accounts in one exchange: about 20 KB on the wire. */
const accountsPerExchangeMax = 128;
/** Askers served by one exchange; the rest waits for the next. */
const askersPerExchangeMax = 64;
/** Askers at once; more are refused, since the store must be far behind. */
const askersMax = 4096;
/** Exchanges that may pass before an asker hears a final word. */
const exchangesPerAskerMax = 4;
/** After a failure, how long nobody waits for the store. */
const awayMs = 500;

interface Waiting {
  readonly asker: Asker;
  exchanges: number;
}

/** Renews all leases that `accounts` yields about every second. */
export function createLeaseRounds(options: {
  readonly store: LimitStore;
  readonly clock: Clock;
  readonly accounts: () => Iterable<LeasedAccount>;
  readonly onStore: (isThere: boolean) => void;
}): LeaseRounds {
  const { store, clock } = options;
  let waiting: Waiting[] = [];
  const renewals = new Map<LeasedAccount, number>();
  const closed = new AbortController();
  let isRunning = false;
  let failedAtMs: number | undefined;

  const isAway = () => failedAtMs !== undefined && clock.monotonicMs() - failedAtMs < awayMs;

  /** What the first asker needs, what the next ones wish for, and who is due anyhow. */
  const gather = (nowMs: number) => {
    const wanted = new Map<LeasedAccount, { need: number; wish: number }>();
    for (const [index, { asker }] of waiting.slice(0, askersPerExchangeMax).entries()) {
      for (const [at, account] of asker.accounts.entries()) {
        const amount = asker.amounts[at] ?? 0;
        const asked = wanted.get(account) ?? { need: 0, wish: 0 };
        wanted.set(account, asked);
        asked[index === 0 ? "need" : "wish"] += amount;
      }
    }
    for (const [account, wish] of renewals) {
      if (wanted.size >= accountsPerExchangeMax) {
        break;
      }
      const asked = wanted.get(account) ?? { need: 0, wish: 0 };
      wanted.set(account, asked);
      asked.wish += wish;
      renewals.delete(account);
    }
    const accounts = [...wanted.keys()];
    const claims = accounts.map((account) =>
      account.claim({ ...(wanted.get(account) ?? { need: 0, wish: 0 }), nowMs }),
    );
    return { accounts, claims };
  };

  /** Offers the news to all who wait; those who stay have not heard a final word. */
  const settleAll = (isFinal: (each: Waiting, index: number) => boolean): void => {
    const before = waiting;
    waiting = [];
    const left = before.filter((each, index) => {
      each.exchanges += 1;
      return !(
        each.asker.settle("changed") ||
        (isFinal(each, index) && each.asker.settle("final"))
      );
    });
    waiting = [...left, ...waiting];
  };

  const fail = (accounts: Iterable<LeasedAccount>): void => {
    const nowMs = clock.monotonicMs();
    if (failedAtMs === undefined) {
      options.onStore(false);
    }
    failedAtMs = nowMs;
    for (const account of accounts) {
      account.loseStore(nowMs);
    }
    for (const { asker } of waiting) {
      for (const account of asker.accounts) {
        account.loseStore(nowMs);
      }
    }
    settleAll(() => true);
  };

  const exchange = async (): Promise<void> => {
    const sentAtMs = clock.monotonicMs();
    const { accounts, claims } = gather(sentAtMs);
    try {
      const { isGranted, grants } = await store.exchange(claims, leaseMs);
      if (failedAtMs !== undefined) {
        options.onStore(true);
      }
      failedAtMs = undefined;
      let isLost = false;
      for (const [index, account] of accounts.entries()) {
        const grant = grants[index];
        if (grant !== undefined) {
          account.apply(grant, sentAtMs, leaseValidMs);
          isLost ||= grant.kept === undefined;
        }
      }
      settleAll(({ asker, exchanges }, index) => {
        const nowMs = clock.monotonicMs();
        const isHopeless = asker.accounts.some(
          (account, at) => account.waitMs(asker.amounts[at] ?? 0, nowMs) > 0,
        );
        const isRefused = index === 0 && !isGranted;
        return exchanges >= exchangesPerAskerMax || (!isLost && (isHopeless || isRefused));
      });
    } catch {
      // Whoever can goes on without the store; `onStore` has the word for people.
      fail(accounts);
    }
  };

  const run = async (): Promise<void> => {
    if (isRunning) {
      return;
    }
    isRunning = true;
    // Askers of the same turn of the event loop share one exchange.
    await Promise.resolve();
    while (!closed.signal.aborted && (waiting.length > 0 || renewals.size > 0)) {
      await exchange();
    }
    isRunning = false;
  };

  const renewAll = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      await clock.sleep(renewEveryMs, closed.signal);
      for (const account of options.accounts()) {
        if (account.isHeld || account.isOnItsOwn) {
          renewals.set(account, renewals.get(account) ?? 0);
        }
      }
      await run();
    }
  };
  // The sleep rejects only when this is closed, and then there is nothing left to do.
  renewAll().catch(() => undefined);

  return {
    get isThere() {
      return failedAtMs === undefined;
    },
    ask: (asker) => {
      if (isAway() || waiting.length >= askersMax) {
        const nowMs = clock.monotonicMs();
        for (const account of asker.accounts) {
          account.loseStore(nowMs);
        }
        if (!asker.settle("changed")) {
          asker.settle("final");
        }
        return;
      }
      waiting.push({ asker, exchanges: 0 });
      void run();
    },
    renew: (account, wish) => {
      renewals.set(account, Math.max(wish, renewals.get(account) ?? 0));
      if (!isAway()) {
        void run();
      }
    },
    close: async () => {
      closed.abort();
      failedAtMs = clock.monotonicMs();
      settleAll(() => true);
      await store.close();
    },
  };
}
