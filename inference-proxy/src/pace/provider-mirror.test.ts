import { describe, expect, test } from "bun:test";
import { durationMs, readProviderHeaders, retryAfterMsOf } from "./provider-headers.ts";
import { createProviderMirror } from "./provider-mirror.ts";

const wallMs = Date.parse("2026-01-01T00:00:00Z");
const fieldsOf = (fields: Readonly<Record<string, string>>) => ({
  get: (name: string) => fields[name] ?? null,
});
const openai = (remaining: number, reset: string, limit = 60) =>
  fieldsOf({
    "x-ratelimit-limit-requests": String(limit),
    "x-ratelimit-remaining-requests": String(remaining),
    "x-ratelimit-reset-requests": reset,
  });
const need = { inputTokens: 10, outputTokens: 5 };

function mirror() {
  let nowMs = 0;
  const clock = {
    nowMs: () => wallMs + nowMs,
    monotonicMs: () => nowMs,
    sleep: () => Promise.resolve(),
  };
  const made = createProviderMirror({ clock });
  const advance = (ms: number) => {
    nowMs += ms;
  };
  return { made, advance, now: () => nowMs };
}

describe("readProviderHeaders()", () => {
  test("reads OpenAI's durations and Anthropic's dates", () => {
    expect(durationMs("6m0s", 0)).toBe(360_000);
    expect(durationMs("12ms", 0)).toBe(12);
    expect(durationMs("2m59.5s", 0)).toBe(179_500);
    expect(durationMs("20", 0)).toBe(20_000);
    expect(durationMs("soon", 0)).toBeUndefined();
    const anthropic = fieldsOf({
      "anthropic-ratelimit-requests-limit": "50",
      "anthropic-ratelimit-requests-remaining": "49",
      "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:02Z",
      "anthropic-ratelimit-input-tokens-limit": "1000",
      "anthropic-ratelimit-input-tokens-remaining": "900",
      "anthropic-ratelimit-input-tokens-reset": "2026-01-01T00:00:06Z",
    });
    expect(readProviderHeaders(anthropic, wallMs)).toEqual([
      { kind: "requests", limit: 50, remaining: 49, resetMs: 2000 },
      { kind: "input-tokens", limit: 1000, remaining: 900, resetMs: 6000 },
    ]);
  });

  test("takes what it cannot read for not said", () => {
    expect(readProviderHeaders(fieldsOf({}), wallMs)).toEqual([]);
    expect(readProviderHeaders(openai(-1, "1s", 0), wallMs)).toEqual([]);
    expect(readProviderHeaders(openai(5, "whenever"), wallMs)).toEqual([]);
    expect(retryAfterMsOf(fieldsOf({ "retry-after": "2" }), wallMs)).toBe(2000);
    expect(retryAfterMsOf(fieldsOf({ "retry-after-ms": "250", "retry-after": "1" }), wallMs)).toBe(
      250,
    );
    const date = new Date(wallMs + 3000).toUTCString();
    expect(retryAfterMsOf(fieldsOf({ "retry-after": date }), wallMs)).toBe(3000);
  });
});

describe("createProviderMirror()", () => {
  test("knows nothing of an upstream that says nothing", () => {
    const { made } = mirror();
    made.hear("a", 200, fieldsOf({}));
    expect(made.isActive).toBe(false);
    expect(made.waitMs("a", need)).toBe(0);
  });

  test("spreads what is left until the reset: a bucket empties at its reset, not before", () => {
    const { made, advance, now } = mirror();
    made.hear("a", 200, openai(60, "60s"));
    const sentAtMs: number[] = [];
    while (now() < 59_900) {
      if (made.waitMs("a", need) === 0) {
        made.send("a", need);
        made.done("a", need);
        sentAtMs.push(now());
      }
      advance(20);
    }
    expect(sentAtMs.length).toBeLessThanOrEqual(60);
    expect(sentAtMs.length).toBeGreaterThanOrEqual(58);
    const firstHalf = sentAtMs.filter((ms) => ms < 30_000).length;
    expect(firstHalf).toBeGreaterThan(28);
    expect(firstHalf).toBeLessThan(38);
    // Whole again: nothing is known of the new window yet.
    advance(200);
    expect(made.waitMs("a", need)).toBe(0);
  });

  test("what is not answered yet is taken off what the provider says is left", () => {
    const { made } = mirror();
    made.hear("a", 200, openai(3, "10s"));
    made.send("a", need);
    made.send("a", need);
    // The answer to the first: the provider may not have counted the second.
    made.hear("a", 200, openai(1, "10s"), need);
    expect(made.waitMs("a", need)).toBe(10_000);
    made.done("a", need);
    made.hear("a", 200, openai(1, "10s"), need);
    expect(made.waitMs("a", need)).toBeLessThan(10_000);
  });

  test("counts tokens too, and waits for the reset when they are gone", () => {
    const { made, advance } = mirror();
    const tokens = fieldsOf({
      "x-ratelimit-remaining-tokens": "14",
      "x-ratelimit-limit-tokens": "1000",
      "x-ratelimit-reset-tokens": "1.5s",
    });
    made.hear("a", 200, tokens);
    expect(made.waitMs("a", need)).toBe(1500);
    expect(made.waitMs("b", need)).toBe(0);
    advance(1500);
    expect(made.waitMs("a", need)).toBe(0);
  });

  test("after the reset no more goes out unanswered than the limit has", () => {
    const { made, advance } = mirror();
    made.hear("a", 200, openai(0, "1s", 3));
    advance(1000);
    let sent = 0;
    while (made.waitMs("a", need) === 0 && sent < 100) {
      made.send("a", need);
      sent += 1;
    }
    expect(sent).toBe(3);
    made.hear("a", 200, openai(2, "1s", 3), need);
    made.done("a", need);
    // The other two may not be counted yet.
    expect(made.waitMs("a", need)).toBe(1000);
  });

  test("what went out before anything was known is not taken off what others sent", () => {
    const { made } = mirror();
    // Nobody speaks of this upstream yet.
    expect(made.send("a", need)).toBe(false);
    made.hear("a", 200, openai(3, "10s"));
    expect(made.send("a", need)).toBe(true);
    made.hear("a", 200, openai(1, "10s"));
    expect(made.waitMs("a", need)).toBe(10_000);
  });

  test("429 with a time closes the upstream until then", () => {
    const { made, advance } = mirror();
    made.hear("a", 429, fieldsOf({ "retry-after": "7" }));
    expect(made.waitMs("a", need)).toBe(7000);
    expect(made.waitMs("b", need)).toBe(0);
    advance(7000);
    expect(made.waitMs("a", need)).toBe(0);
  });
});
