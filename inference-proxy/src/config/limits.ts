import { option } from "@warmpath/runtime/base";

/** Settings of limits, part of the proxy's table of options. */
export const limitSettings = {
  limits: option.list({
    env: "WARMPATH_LIMITS",
    flag: "limits",
    default: [],
    doc: "Limits as `tenant=acme model=qwen tokens-out/min=200k requests/s=20 concurrency=8 on-error=open`, separated by commas. Scopes: tenant, user, key, model, replica, each a name or `*` (each has its own). Limits: requests, tokens, tokens-in, tokens-out, usd per s, min, hour or day, or as a budget per calendar-day or calendar-month (UTC); concurrency. Options: on-error=open|closed, slice=5%.",
    why: "the queue shares what there is; a limit is a promise or a price, which only the operator knows",
  }),
  tokensPerMinute: option.int({
    env: "WARMPATH_KEY_TOKENS_PER_MINUTE",
    default: 0,
    min: 0,
    unit: "tokens/min",
    doc: "Tokens, in and out together, that one API key may use in any minute; 0 means no limit. Short for `key=* tokens/min=N` in WARMPATH_LIMITS.",
    why: "self-hosted tokens are limited by the queue; a provider's quota has to be stated",
  }),
  limitBucketsMax: option.int({
    env: "WARMPATH_PROXY_LIMIT_BUCKETS_MAX",
    default: 10_000,
    min: 1,
    doc: "Buckets of limits, and learned answer lengths, that are remembered; the one unused longest is forgotten first.",
    why: "about 500 bytes each",
  }),
  limitTopUpTokens: option.int({
    env: "WARMPATH_PROXY_LIMIT_TOP_UP_TOKENS",
    default: 64,
    min: 1,
    unit: "tokens",
    doc: "Answer tokens that a stream takes at once from its limits when it outgrows what was reserved.",
    why: "about a second of one stream: what each may be ahead of the account, and no more",
  }),
  costAccountsMax: option.int({
    env: "WARMPATH_PROXY_COST_ACCOUNTS_MAX",
    default: 10_000,
    min: 1,
    doc: "Sessions, agents, users and tenants, each, whose cost is added up since the start; the one unused longest is forgotten first.",
    why: "about 150 bytes each; the log has every call's cost for books that must not forget",
  }),
} as const;
