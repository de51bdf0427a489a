import { WarmpathError } from "@warmpath/runtime/base";
import type { Account } from "./account.ts";
import type { LimitKind, LimitRule, Refusal } from "./types.ts";
import { scopeNames } from "./types.ts";

/*
 * What callers are told of limits. Figures of a limit are shown only to those whose own it is: what
 * is left of a limit that tenants share says what the others do.
 */

const headerNames: Readonly<Record<LimitKind, string>> = {
  requests: "requests",
  tokens: "tokens",
  "tokens-in": "input-tokens",
  "tokens-out": "output-tokens",
  usd: "cost-nanodollars",
  concurrency: "concurrent-requests",
};

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
  const tightest = new Map<LimitKind, { account: Account; left: number; share: number }>();
  for (const account of accounts) {
    const { kind, amount } = account.rule;
    const left = account.left(nowMs);
    const share = left / amount;
    if (isOwn(account.rule) && share < (tightest.get(kind)?.share ?? Number.POSITIVE_INFINITY)) {
      tightest.set(kind, { account, left, share });
    }
  }
  const headers: Record<string, string> = {};
  for (const [kind, { account, left }] of tightest) {
    const { amount, periodMs } = account.rule;
    const name = headerNames[kind];
    headers[`x-ratelimit-limit-${name}`] = String(amount);
    headers[`x-ratelimit-remaining-${name}`] = String(Math.max(0, Math.floor(left)));
    if (periodMs > 0) {
      headers[`x-ratelimit-reset-${name}`] = durationText(((amount - left) * periodMs) / amount);
    }
  }
  return headers;
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
  return isAway
    ? `The limit of ${what} ${scope} cannot be checked now.`
    : `Rate limit reached: ${what} ${scope}${figure}.`;
}

function periodText({ id, kind }: LimitRule): string {
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
