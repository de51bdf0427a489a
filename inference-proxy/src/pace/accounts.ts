import type { Clock } from "@warmpath/runtime/base";
import type { Account, AccountName } from "./account.ts";
import { windowAt } from "./calendar.ts";
import { bucketName, keyRule, matches } from "./match-rules.ts";
import type { LimitRule, Subject } from "./types.ts";

/** The buckets of all rules, made when somebody first comes under them. */
export interface Accounts<A extends Account> {
  /** All that limits this subject before a replica is chosen. */
  of(subject: Subject, requestsPerMinute: number): readonly A[];
  /** What limits it at this replica. */
  at(subject: Subject, replica: string): readonly A[];
  /** True when no rule names a replica: then `at` is not worth a call. */
  readonly areReplicasFree: boolean;
  all(): Iterable<A>;
}

/**
 * How long the accounts of a subject are remembered together, in ms: one look-up a request instead
 * of one for each limit. Short enough that accounts in use stay at the young end of their order.
 */
const rememberedMs = 1000;

/** Accounts looked at to find one that may be forgotten. */
const looksMax = 16;

/** Keeps at most `accountsMax`; the one unused longest is forgotten first. */
export function createAccounts<A extends Account>(options: {
  readonly rules: readonly LimitRule[];
  readonly clock: Clock;
  readonly accountsMax: number;
  readonly make: (rule: LimitRule, name: AccountName) => A;
}): Accounts<A> {
  const { clock, make, accountsMax } = options;
  const rules = options.rules.filter(({ scope }) => scope.replica === undefined);
  const replicaRules = options.rules.filter(({ scope }) => scope.replica !== undefined);
  const accounts = new Map<string, A>();
  const remembered = new Map<string, { readonly found: readonly A[]; readonly untilMs: number }>();

  const accountOf = (rule: LimitRule, subject: Subject, replica: string): A => {
    const { calendar } = rule;
    const window = calendar === undefined ? undefined : windowAt(calendar, clock.nowMs());
    const bucket = bucketName(rule, subject, replica);
    const name = window === undefined ? bucket : `${bucket}|${window.name}`;
    const known = accounts.get(name);
    // Moves the account to the end of the map's order, so that the first ones are the oldest.
    accounts.delete(name);
    const endsAtMs = window === undefined ? undefined : clock.monotonicMs() + window.leftMs;
    const account =
      known !== undefined && known.rule === rule ? known : make(rule, { name, endsAtMs });
    accounts.set(name, account);
    if (accounts.size > accountsMax) {
      forgetOne(accounts, clock.monotonicMs());
      remembered.clear();
    }
    return account;
  };

  const find = (subject: Subject, requestsPerMinute: number): readonly A[] => {
    const found: A[] = [];
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

  return {
    areReplicasFree: replicaRules.length === 0,
    of: (subject, requestsPerMinute) => {
      const { tenant, user, key, model } = subject;
      const name = `${tenant}\n${user}\n${key}\n${model}\n${requestsPerMinute}`;
      const nowMs = clock.monotonicMs();
      const known = remembered.get(name);
      if (known !== undefined && nowMs < known.untilMs) {
        return known.found;
      }
      const found = find(subject, requestsPerMinute);
      if (remembered.size >= accountsMax) {
        remembered.clear();
      }
      remembered.set(name, { found, untilMs: nowMs + rememberedMs });
      return found;
    },
    at: (subject, replica) =>
      replicaRules
        .filter(({ scope }) => scope.replica === "*" || scope.replica === replica)
        .filter((rule) => matches(rule, subject))
        .map((rule) => accountOf(rule, subject, replica)),
    all: () => accounts.values(),
  };
}

/** Forgets the oldest account that nobody owes anything, or the oldest of the few looked at. */
function forgetOne(accounts: Map<string, Account>, nowMs: number): void {
  let looked = 0;
  for (const [name, account] of accounts) {
    looked += 1;
    if (account.isIdle(nowMs) || looked === looksMax) {
      accounts.delete(name);
      return;
    }
  }
}
