/** What a provider says of one of its own limits. */
export interface ProviderReading {
  readonly kind: ProviderKind;
  /** Units per window; undefined where it is not said. */
  readonly limit: number | undefined;
  readonly remaining: number;
  /** Until the limit is whole again, in ms from now. */
  readonly resetMs: number;
}

/** What providers count. */
export type ProviderKind = "requests" | "tokens" | "input-tokens" | "output-tokens";

/** The head of an answer, as far as limits are concerned. */
export interface HeadFields {
  /** The value of a field, by its name in lower case. */
  get(name: string): string | null;
}

const kinds: readonly ProviderKind[] = ["requests", "tokens", "input-tokens", "output-tokens"];
/** A reset further away is a misreading, or a quota of days that no pacing can stretch over. */
const resetMsMax = 86_400_000;

/**
 * Reads `x-ratelimit-*` (OpenAI, Azure, Groq and most others) and `anthropic-ratelimit-*`; empty
 * when there are none. What cannot be read counts as not said. `nowMs` is wall-clock time, since
 * Anthropic says when and not how long.
 */
export function readProviderHeaders(fields: HeadFields, nowMs: number): readonly ProviderReading[] {
  if (!hasReadings(fields)) {
    return [];
  }
  const readings: ProviderReading[] = [];
  for (const kind of kinds) {
    const reading =
      readingOf(kind, (word) => fields.get(`x-ratelimit-${word}-${kind}`), nowMs) ??
      readingOf(kind, (word) => fields.get(`anthropic-ratelimit-${kind}-${word}`), nowMs);
    if (reading !== undefined) {
      readings.push(reading);
    }
  }
  return readings;
}

/** Most upstreams say nothing: that costs four look-ups. */
function hasReadings(fields: HeadFields): boolean {
  return (
    fields.get("x-ratelimit-remaining-requests") !== null ||
    fields.get("x-ratelimit-remaining-tokens") !== null ||
    fields.get("anthropic-ratelimit-requests-remaining") !== null ||
    fields.get("anthropic-ratelimit-tokens-remaining") !== null
  );
}

function readingOf(
  kind: ProviderKind,
  get: (word: string) => string | null,
  nowMs: number,
): ProviderReading | undefined {
  const remaining = countOf(get("remaining"));
  const resetMs = durationMs(get("reset"), nowMs);
  if (remaining === undefined || resetMs === undefined || resetMs > resetMsMax) {
    return undefined;
  }
  const limit = countOf(get("limit"));
  // Azure's Responses API says -1 or 0 for what it does not count.
  return limit !== undefined && limit <= 0 ? undefined : { kind, limit, remaining, resetMs };
}

function countOf(text: string | null): number | undefined {
  const count = text === null || text === "" ? Number.NaN : Number(text);
  return Number.isFinite(count) && count >= 0 ? count : undefined;
}

const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `12ms`, `1.5s`, `6m0s`, plain seconds, or a date; undefined for anything else. */
export function durationMs(text: string | null, nowMs: number): number | undefined {
  if (text === null || text === "") {
    return undefined;
  }
  if (/^(?:\d+(?:\.\d+)?(?:ms|[smhd]))+$/.test(text)) {
    let sumMs = 0;
    for (const [, amount = "0", unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) {
      sumMs += Number(amount) * (unitsMs[unit] ?? 0);
    }
    return sumMs;
  }
  if (/^\d+(?:\.\d+)?$/.test(text)) {
    return Number(text) * 1000;
  }
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** When to come again, in ms from now: `retry-after-ms`, or `retry-after`, seconds or a date. */
export function retryAfterMsOf(fields: HeadFields, nowMs: number): number | undefined {
  const exactMs = countOf(fields.get("retry-after-ms"));
  return exactMs ?? durationMs(fields.get("retry-after"), nowMs);
}
