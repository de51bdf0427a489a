import { WarmpathError } from "@warmpath/runtime/base";
import type { Account } from "./account.ts";
import type { LimitKind, LimitRule, Refusal } from "./types.ts";
import { scopeNames } from "./types.ts";

/*
 * What callers are told of limits. Figures of a limit are shown only to those whose own it is: what
 * is left of a limit that tenants share says what the others do.
 */

const words: Readonly<Record<LimitKind, string>> = {
  requests: "requests",
  tokens: "tokens",
  "tokens-in": "input tokens",
  "tokens-out": "output tokens",
  usd: "cost",
  concurrency: "concurrent requests",
};

const nanodollarsPerDollar = 1e9;
const msPerSecond = 1000;
const secondsPerMinute = 60;

/** Names of the headers, put together once. */
const headerNames = {
  requests: namesOf("requests"),
  tokens: namesOf("tokens"),
  "tokens-in": namesOf("input-tokens"),
  "tokens-out": namesOf("output-tokens"),
  usd: namesOf("cost-nanodollars"),
  concurrency: namesOf("concurrent-requests"),
} satisfies Record<LimitKind, unknown>;

function namesOf(kind: string) {
  return {
    limit: `x-ratelimit-limit-${kind}`,
    remaining: `x-ratelimit-remaining-${kind}`,
    reset: `x-ratelimit-reset-${kind}`,
  };
}

/** True for limits that belong to the caller's tenant, user or key, and to nobody else. */
export function isOwn({ scope }: LimitRule): boolean {
  return scope.tenant !== undefined || scope.user !== undefined || scope.key !== undefined;
}

/**
 * `x-ratelimit-{limit,remaining,reset}-<kind>` of the caller's own limits; of several limits of a
 * kind the one with the smallest part left.
 */
export function limitHeaders(
  accounts: readonly Account[],
  nowMs: number,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const account of accounts) {
    const { rule } = account;
    if (isOwn(rule) && isTightest(account, accounts, nowMs)) {
      const left = account.left(nowMs);
      const names = headerNames[rule.kind];
      headers[names.limit] = String(rule.amount);
      headers[names.remaining] = String(Math.max(0, Math.floor(left)));
      if (rule.periodMs > 0) {
        headers[names.reset] = durationText(
          account.endsAtMs === undefined
            ? ((rule.amount - left) * rule.periodMs) / rule.amount
            : account.endsAtMs - nowMs,
        );
      }
    }
  }
  return headers;
}

/** True when no other of the caller's limits of this kind has a smaller part left. */
function isTightest(account: Account, accounts: readonly Account[], nowMs: number): boolean {
  const { rule } = account;
  const share = account.left(nowMs) / rule.amount;
  return accounts.every(
    (other) =>
      other === account ||
      other.rule.kind !== rule.kind ||
      !isOwn(other.rule) ||
      other.left(nowMs) / other.rule.amount >= share,
  );
}

/** As OpenAI writes them: `12ms`, `1.5s`, `6m0s`. */
export function durationText(ms: number): string {
  if (ms < msPerSecond) {
    return `${Math.max(0, Math.ceil(ms))}ms`;
  }
  const seconds = Math.ceil(ms / 100) / 10;
  const minutes = Math.floor(seconds / secondsPerMinute);
  return minutes === 0
    ? `${seconds}s`
    : `${minutes}m${Math.ceil(seconds - minutes * secondsPerMinute)}s`;
}

/** One sentence that names the limit: its scope, its kind and, for one's own, its figure. */
function refusalText({ rule, isAway }: Refusal): string {
  const named = scopeNames.filter((name) => rule.scope[name] !== undefined);
  const scope = named.length === 0 ? "for this service" : `of this ${named.join(" and ")}`;
  const what = `${words[rule.kind]}${periodText(rule)}`;
  const figure = isOwn(rule) ? ` (limit ${amountText(rule)})` : "";
  if (isAway) {
    return `The limit of ${what} ${scope} cannot be checked now.`;
  }
  return rule.calendar === undefined
    ? `Rate limit reached: ${what} ${scope}${figure}.`
    : `Budget used up: ${what} ${scope}${figure}. The next ${rule.calendar} begins at 0:00 UTC.`;
}

function periodText({ id, kind, calendar }: LimitRule): string {
  if (calendar !== undefined) {
    return ` of this ${calendar}`;
  }
  return kind === "concurrency" ? "" : ` per ${id.slice(id.lastIndexOf("/") + 1)}`;
}

function amountText({ kind, amount }: LimitRule): string {
  return kind === "usd" ? `$${amount / nanodollarsPerDollar}` : String(amount);
}

/** What an edge adds to the error of a refused request. */
export class OverLimit {
  /** OpenAI's `type` of the error: what ran out. */
  readonly type: "tokens" | "requests";
  /** What is left to the caller, as response headers. */
  readonly headers: Readonly<Record<string, string>>;

  constructor({ rule: { kind } }: Refusal, headers: Readonly<Record<string, string>>) {
    this.type = kind.startsWith("tokens") ? "tokens" : "requests";
    this.headers = headers;
  }
}

/** The error of a refused request; its cause is an {@link OverLimit}. */
export function errorOfRefusal(
  refusal: Refusal,
  headers: Readonly<Record<string, string>>,
): WarmpathError {
  const { retryAfterMs, isAway } = refusal;
  const reason = isAway ? "rejected-unavailable" : "rejected-over-limit";
  const told = { ...headers, "retry-after-ms": String(retryAfterMs) };
  const cause = new OverLimit(refusal, told);
  return new WarmpathError(reason, refusalText(refusal), { retryAfterMs, cause });
}
