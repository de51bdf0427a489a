import type { LeasedAccount } from "./leased-account.ts";
import type { Claim } from "./limit-store.ts";

/** Somebody whose accounts hold too little here. */
export interface Asker {
  readonly accounts: readonly LeasedAccount[];
  /** What is asked of each, in their order. */
  readonly amounts: readonly number[];
  /**
   * Called when the leases have changed: settles the asker if it can be, and says whether it is;
   * "final" says that the store has nothing for it now, or does not answer.
   */
  settle(news: "changed" | "final"): boolean;
}

/** Everybody who waits for the store, and the leases that are due in any case. */
export interface Askers {
  readonly count: number;
  readonly isEmpty: boolean;
  join(asker: Asker): void;
  /** Renews the lease with the next exchange, with `wish` units more where they are there. */
  renew(account: LeasedAccount, wish: number): void;
  /** What the first asker needs, what the next ones wish for, and what is due. */
  gather(nowMs: number): {
    readonly accounts: readonly LeasedAccount[];
    readonly claims: readonly Claim[];
  };
  /** Offers the news to all who wait; `isFinal` says for whom they are the last. */
  settleAll(isFinal: (asker: Asker, index: number, exchanges: number) => boolean): void;
  /** Tells the accounts of all who wait that the store does not answer. */
  loseStore(nowMs: number): void;
}

/** Accounts in one exchange: about 20 KB on the wire. */
const accountsPerExchangeMax = 128;
/** Askers served by one exchange; the rest waits for the next. */
const askersPerExchangeMax = 64;

/** Keeps them in the order in which they came. */
export function createAskers(): Askers {
  let waiting: { readonly asker: Asker; exchanges: number }[] = [];
  const renewals = new Map<LeasedAccount, number>();

  const wanted = () => {
    const all = new Map<LeasedAccount, { need: number; wish: number }>();
    const of = (account: LeasedAccount) => {
      const asked = all.get(account) ?? { need: 0, wish: 0 };
      all.set(account, asked);
      return asked;
    };
    for (const [index, { asker }] of waiting.slice(0, askersPerExchangeMax).entries()) {
      for (const [at, account] of asker.accounts.entries()) {
        of(account)[index === 0 ? "need" : "wish"] += asker.amounts[at] ?? 0;
      }
    }
    for (const [account, wish] of renewals) {
      if (all.size >= accountsPerExchangeMax) {
        break;
      }
      of(account).wish += wish;
      renewals.delete(account);
    }
    return all;
  };

  return {
    get count() {
      return waiting.length;
    },
    get isEmpty() {
      return waiting.length === 0 && renewals.size === 0;
    },
    join: (asker) => {
      waiting.push({ asker, exchanges: 0 });
    },
    renew: (account, wish) => {
      renewals.set(account, Math.max(wish, renewals.get(account) ?? 0));
    },
    gather: (nowMs) => {
      const all = [...wanted()];
      return {
        accounts: all.map(([account]) => account),
        claims: all.map(([account, asked]) => account.claim({ ...asked, nowMs })),
      };
    },
    settleAll: (isFinal) => {
      const before = waiting;
      waiting = [];
      const stay = before.filter((each, index) => {
        const { asker } = each;
        each.exchanges += 1;
        const isDone =
          asker.settle("changed") ||
          (isFinal(asker, index, each.exchanges) && asker.settle("final"));
        return !isDone;
      });
      waiting = [...stay, ...waiting];
    },
    loseStore: (nowMs) => {
      for (const { asker } of waiting) {
        for (const account of asker.accounts) {
          account.loseStore(nowMs);
        }
      }
    },
  };
}
