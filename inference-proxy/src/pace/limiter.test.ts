import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import {
  createLimiter,
  type Estimate,
  errorOfRefusal,
  parseLimits,
  type Reservation,
  type Taken,
} from "./index.ts";

const subject = { tenant: "acme", user: "alice", key: "k", model: "m" };

function limiter(...entries: readonly string[]) {
  let nowMs = 0;
  const clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: () => Promise.resolve(),
  };
  const made = createLimiter({
    rules: parseLimits(entries, "WARMPATH_LIMITS"),
    clock,
    accountsMax: 100,
    topUpTokens: 16,
  });
  const reserve = (tokens: number | Partial<Estimate> = 0, over = {}, perMinute = 0) => {
    const given = typeof tokens === "number" ? { inputTokens: tokens } : tokens;
    const estimate = { inputTokens: 0, outputTokens: 0, inputCost: 0, outputCost: 0, ...given };
    // Without a shared store every answer is there at once.
    return made.reserve({ ...subject, ...over }, estimate, perMinute) as Taken;
  };
  const advance = (ms: number) => {
    nowMs += ms;
  };
  return { reserve, advance, made };
}

const hourMs = 3_600_000;
const isTaken = (taken: Taken) => taken.reservation !== undefined;
const used = (tokens: number) => ({ inputTokens: tokens, outputTokens: 0, cost: 0 });

describe("createLimiter() in one process", () => {
  test("64 concurrent requests through a 100-token limit overspend by nothing", () => {
    const { reserve } = limiter("key=* tokens/min=100");
    const taken = Array.from({ length: 64 }, () => reserve(10));
    expect(taken.filter(isTaken).length).toBe(10);
    expect(taken.at(-1)?.refusal?.retryAfterMs).toBe(6000);
  });

  test("a budget does not refill before the next day or month, and is whole then", () => {
    const { reserve, advance } = limiter("key=* tokens/calendar-day=100 usd/calendar-month=1");
    const first = reserve({ inputTokens: 80, inputCost: 4e8 }).reservation;
    advance(12 * hourMs);
    const refused = reserve(30);
    expect(refused.refusal?.retryAfterMs).toBe(12 * hourMs);
    // What was begun on a day is paid by that day.
    advance(12 * hourMs);
    const next = reserve({ inputTokens: 100, inputCost: 4e8 }).reservation;
    expect(next?.headers()).toMatchObject({
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "1440m0s",
      "x-ratelimit-remaining-cost-nanodollars": "200000000",
    });
    first?.settle({ ...used(10), cost: 4e8 });
    expect(reserve(1).refusal?.rule.id).toBe("key=* tokens/calendar-day");
    advance(24 * hourMs);
    expect(reserve({ inputCost: 3e8 }).refusal?.rule.id).toBe("key=* usd/calendar-month");
    advance(29 * 24 * hourMs);
    expect(isTaken(reserve({ inputCost: 1e9 }))).toBe(true);
  });

  test("nothing larger than a whole budget goes, and its error says what ran out", () => {
    const { reserve } = limiter("tenant=* usd/calendar-day=0.5");
    const { refusal, headers } = reserve({ outputCost: 6e8 }) as Extract<
      Taken,
      { readonly reservation?: undefined }
    >;
    expect(errorOfRefusal(refusal, headers).message).toBe(
      "Budget used up: cost of this day of this tenant (limit $0.5). The next day begins at 0:00 UTC.",
    );
    expect(isTaken(reserve({ outputCost: 5e8 }))).toBe(true);
  });

  test("refunds what was not used, once, and keeps overspend as debt", () => {
    const { reserve, advance } = limiter("key=* tokens/min=100");
    const first = reserve(100).reservation;
    first?.settle(used(40));
    first?.settle(used(0));
    const second = reserve(60).reservation;
    expect(second).toBeDefined();
    second?.settle(used(160));
    // 100 in debt: one token takes 101 / 100 of a minute.
    expect(reserve(1).refusal?.retryAfterMs).toBe(60_600);
    advance(60_600);
    expect(isTaken(reserve(1))).toBe(true);
  });

  test("takes from every limit or from none, and names the one that takes longest", () => {
    const { reserve } = limiter("tenant=* requests/min=2", "user=* tokens-in/min=100");
    expect(isTaken(reserve(90))).toBe(true);
    expect(reserve(90).refusal?.rule.kind).toBe("tokens-in");
    expect(isTaken(reserve(10))).toBe(true);
    expect(reserve(0).refusal).toMatchObject({
      rule: { kind: "requests" },
      retryAfterMs: 30_000,
    });
    expect(isTaken(reserve(0, { tenant: "globex" }))).toBe(true);
  });

  test("a request larger than the whole limit goes from a full bucket and leaves debt", () => {
    const { reserve } = limiter("key=* tokens/min=100");
    expect(isTaken(reserve(250))).toBe(true);
    expect(reserve(1).refusal?.retryAfterMs).toBe(90_600);
  });

  test("a key's own rate counts beside the limits, and users of two tenants are two users", () => {
    const { reserve } = limiter("user=alice concurrency=1");
    const open = reserve(0, {}, 2).reservation;
    expect(reserve(0, {}, 2).refusal?.rule.kind).toBe("concurrency");
    expect(isTaken(reserve(0, { tenant: "globex" }))).toBe(true);
    open?.settle(used(0));
    expect(isTaken(reserve(0, { user: "bob" }, 2))).toBe(true);
    expect(reserve(0, { user: "bob" }, 2).refusal?.rule.id).toBe("key requests/min");
  });

  test("only the named model and tenant are limited, and a shared model is one bucket", () => {
    const { reserve } = limiter(
      "tenant=acme model=m requests/min=1",
      "model=shared requests/min=1",
    );
    expect(isTaken(reserve())).toBe(true);
    expect(isTaken(reserve())).toBe(false);
    expect(isTaken(reserve(0, { model: "n" }))).toBe(true);
    expect(isTaken(reserve(0, { model: "shared" }))).toBe(true);
    expect(isTaken(reserve(0, { model: "shared", tenant: "globex" }))).toBe(false);
  });

  test("an answer that outgrows its reservation takes slices, and others are refused meanwhile", () => {
    const { reserve } = limiter("key=* tokens-out/min=100", "key=* usd/day=0.000001");
    const taken = reserve({ outputTokens: 10, outputCost: 100 }).reservation;
    expect(taken?.answerTokensPaid).toBe(10);
    for (let tokens = 1; tokens <= 100; tokens += 1) {
      while (tokens > (taken?.answerTokensPaid ?? 0)) {
        taken?.topUp();
      }
    }
    expect(taken?.answerTokensPaid).toBe(106);
    expect(reserve({ outputTokens: 1, outputCost: 10 }).refusal?.rule.kind).toBe("usd");
    taken?.settle({ inputTokens: 0, outputTokens: 50, cost: 500 });
    expect(isTaken(reserve({ outputTokens: 50, outputCost: 500 }))).toBe(true);
  });

  test("a replica's own limits move with the request, and refuse without touching the caller's", () => {
    const { reserve, made } = limiter("key=* concurrency=2", "replica=* concurrency=1");
    const first = reserve().reservation;
    const second = reserve().reservation;
    expect(first?.moveTo("a")).toBeUndefined();
    expect(second?.moveTo("a")?.rule.scope).toEqual({ replica: "*" });
    const estimate = { inputTokens: 0, outputTokens: 0, inputCost: 0, outputCost: 0 };
    expect(made.replicaWaitMs("a", subject, estimate)).toBeGreaterThan(0);
    expect(made.replicaWaitMs("b", subject, estimate)).toBe(0);
    expect(first?.moveTo("b")).toBeUndefined();
    expect(second?.moveTo("a")).toBeUndefined();
    first?.settle(used(0));
    second?.settle(used(0));
    expect(isTaken(reserve())).toBe(true);
    expect(made.replicaWaitMs("a", subject, estimate)).toBe(0);
  });

  test("forgets idle buckets before those that somebody is in", () => {
    const { reserve } = limiter("user=* concurrency=1");
    const held = reserve(0, { user: "holder" }).reservation;
    for (let count = 0; count < 1000; count += 1) {
      reserve(0, { user: `u${count}` }).reservation?.settle(used(0));
    }
    expect(isTaken(reserve(0, { user: "holder" }))).toBe(false);
    held?.settle(used(0));
    expect(isTaken(reserve(0, { user: "holder" }))).toBe(true);
  });

  test("tells callers what is left of their own limits, and nothing of shared ones", () => {
    const { reserve } = limiter("key=* tokens/min=600", "tenant=* tokens/min=6000", "requests/s=9");
    expect(reserve(100).reservation?.headers()).toEqual({
      "x-ratelimit-limit-tokens": "600",
      "x-ratelimit-remaining-tokens": "500",
      "x-ratelimit-reset-tokens": "10s",
    });
    const refused = reserve(550);
    expect(refused.reservation === undefined && refused.headers).toMatchObject({
      "x-ratelimit-remaining-tokens": "500",
    });
  });

  test("conserves: what is left is the limit less what is held and used, whatever happens", () => {
    const random = seededRandom("conserve");
    const { reserve, made } = limiter("key=* tokens/day=5000", "tenant=* tokens-in/day=3000");
    const open: { reservation: Reservation; tokens: number }[] = [];
    let spent = 0;
    for (let step = 0; step < 5000; step += 1) {
      const tokens = Math.floor(random.next() * 200);
      if (random.next() < 0.6) {
        const { reservation } = reserve(tokens);
        if (reservation !== undefined) {
          open.push({ reservation, tokens });
        }
      } else {
        const at = Math.floor(random.next() * open.length);
        const [ended] = open.splice(at, 1);
        const really = Math.floor((ended?.tokens ?? 0) * random.next());
        ended?.reservation.settle(used(really));
        spent += ended === undefined ? 0 : really;
      }
      const held = open.reduce((sum, each) => sum + each.tokens, 0);
      const left = made.reserve(
        subject,
        { inputTokens: 0, outputTokens: 0, inputCost: 0, outputCost: 0 },
        0,
      );
      const headers = left instanceof Promise ? {} : left.reservation?.headers();
      expect(Number(headers?.["x-ratelimit-remaining-tokens"])).toBe(5000 - held - spent);
      expect(Number(headers?.["x-ratelimit-remaining-input-tokens"])).toBe(3000 - held - spent);
    }
    expect(spent).toBeGreaterThan(0);
  });
});
