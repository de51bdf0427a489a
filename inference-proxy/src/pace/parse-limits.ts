import { WarmpathError } from "@warmpath/runtime/base";
import { linesOf } from "./lines-of.ts";
import {
  type Calendar,
  type LimitKind,
  type LimitRule,
  type OnError,
  type ScopeName,
  scopeNames,
} from "./types.ts";

/*
 * Limits as an operator writes them: words of the form name=value, in any order, such as
 *
 *   tenant=acme model=qwen tokens-out/min=200k requests/s=20 concurrency=8 on-error=open
 *
 * One entry may state several limits of one scope. `tenant=*` gives each tenant a bucket of its
 * own; a scope that is not named does not divide. What is stated per calendar-day or calendar-month
 * is a budget: it does not refill before the next one begins.
 */

const periodsMs: Readonly<Record<string, number>> = {
  s: 1000,
  min: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  "calendar-day": 86_400_000,
  "calendar-month": 31 * 86_400_000,
};
const calendars: Readonly<Record<string, Calendar>> = {
  "calendar-day": "day",
  "calendar-month": "month",
};
const rateKinds: readonly LimitKind[] = ["requests", "tokens", "tokens-in", "tokens-out", "usd"];
const nanodollarsPerDollar = 1e9;
const percentMax = 100;
/**
 * Percent of a limit that a proxy may hold unspent: ten proxies leave half of a bucket to whoever
 * is busiest, and a slice still lasts for many requests.
 */
const slicePercentDefault = 5;
/** Longest value of a scope; ids of models are the longest of them. */
const scopeCharsMax = 256;

interface Entry {
  readonly scope: Partial<Record<ScopeName, string>>;
  readonly limits: { kind: LimitKind; period: string; amount: number }[];
  onError: OnError;
  slicePercent: number;
}

/** Reads all entries, or throws one `rejected-config` that names every fault and its word. */
export function parseLimits(entries: readonly string[], variable: string): readonly LimitRule[] {
  const faults: string[] = [];
  const rules = linesOf(entries).flatMap((text) => {
    const entry: Entry = {
      scope: {},
      limits: [],
      onError: "open",
      slicePercent: slicePercentDefault,
    };
    const wrong = readEntry(text, entry);
    faults.push(...wrong.map((fault) => `${JSON.stringify(text)}: ${fault}`));
    return rulesOf(entry);
  });
  const ids = new Set<string>();
  for (const { id } of rules) {
    if (ids.has(id)) {
      faults.push(`"${id}" is stated twice`);
    }
    ids.add(id);
  }
  if (faults.length > 0) {
    throw new WarmpathError("rejected-config", `${variable}: ${faults.join("; ")}`);
  }
  return rules;
}

function readEntry(text: string, entry: Entry): readonly string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const word of text.split(/\s+/).filter((each) => each !== "")) {
    const at = word.indexOf("=");
    const name = at < 0 ? word : word.slice(0, at);
    const fault = at < 0 ? `"${word}" is not of the form name=value` : undefined;
    const twice = seen.has(name) ? `${name} is given twice` : undefined;
    seen.add(name);
    const found = fault ?? twice ?? readWord(name, word.slice(at + 1), entry);
    if (found !== undefined) {
      faults.push(found);
    }
  }
  if (faults.length === 0 && entry.limits.length === 0) {
    faults.push("it limits nothing: add one such as requests/min=60 or concurrency=8");
  }
  return faults;
}

/** Takes the word in, or says what is wrong with it. */
function readWord(name: string, value: string, entry: Entry): string | undefined {
  const scope = scopeNames.find((each) => each === name);
  if (scope !== undefined) {
    entry.scope[scope] = value;
    return value !== "" && value.length <= scopeCharsMax
      ? undefined
      : `${name} must be a name of 1 to ${scopeCharsMax} characters, or * for each`;
  }
  if (name === "on-error") {
    if (value !== "open" && value !== "closed") {
      return `on-error is "${value}", but must be open or closed`;
    }
    entry.onError = value;
    return undefined;
  }
  if (name === "slice") {
    const percent = /^\d{1,3}%$/.test(value) ? Number(value.slice(0, -1)) : Number.NaN;
    entry.slicePercent = percent;
    return percent <= percentMax ? undefined : `slice is "${value}", but must be 0% to 100%`;
  }
  return readLimit(name, value, entry);
}

function readLimit(name: string, value: string, entry: Entry): string | undefined {
  const [kindName = "", period = "", ...rest] = name.split("/");
  const isConcurrency = name === "concurrency";
  const kind = isConcurrency ? "concurrency" : rateKinds.find((each) => each === kindName);
  if (kind === undefined) {
    const limits = rateKinds.map((each) => `${each}/min`).join(", ");
    return `${name} is not known: scopes are ${scopeNames.join(", ")}; limits are ${limits} (or /s, /hour, /day, /calendar-day, /calendar-month), concurrency; options are on-error, slice`;
  }
  if (!isConcurrency && (rest.length > 0 || !Object.hasOwn(periodsMs, period))) {
    return `${name} needs a period: ${kind}/s, ${kind}/min, ${kind}/hour, ${kind}/day, ${kind}/calendar-day or ${kind}/calendar-month`;
  }
  const amount = amountOf(value, kind);
  if (amount === undefined) {
    return kind === "usd"
      ? `${name} is "${value}", but must be dollars above 0, such as 12.50`
      : `${name} is "${value}", but must be a whole number above 0, such as 200, 200k or 2M`;
  }
  entry.limits.push({ kind, period: isConcurrency ? "" : period, amount });
  return undefined;
}

/** In the units of the kind; undefined for what is not an amount. */
function amountOf(value: string, kind: LimitKind): number | undefined {
  const match = /^(\d[\d_]{0,18}(?:\.\d{1,9})?)([kM]?)$/.exec(value);
  const [, digits = "", suffix = ""] = match ?? [];
  const factor = { "": 1, k: 1e3, M: 1e6 }[suffix] ?? 1;
  const amount = Number(digits.replaceAll("_", "")) * factor;
  const units = kind === "usd" ? Math.round(amount * nanodollarsPerDollar) : amount;
  return match !== null && Number.isSafeInteger(units) && units > 0 ? units : undefined;
}

function rulesOf({ scope, limits, onError, slicePercent }: Entry): readonly LimitRule[] {
  const scopeText = scopeNames
    .filter((name) => scope[name] !== undefined)
    .map((name) => `${name}=${scope[name]} `)
    .join("");
  return limits.map(({ kind, period, amount }) => ({
    id: `${scopeText}${period === "" ? kind : `${kind}/${period}`}`,
    scope,
    kind,
    amount,
    periodMs: periodsMs[period] ?? 0,
    ...(calendars[period] === undefined ? {} : { calendar: calendars[period] }),
    slice: Math.floor((amount * slicePercent) / percentMax),
    onError,
  }));
}
