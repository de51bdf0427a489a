import { describe, expect, test } from "bun:test";
import { systemClock } from "@warmpath/runtime/base";
import {
  createLimiter,
  createMemoryLimitStore,
  type Limiter,
  type LimitStore,
  parseLimits,
  type Reservation,
} from "../pace/index.ts";
import { cuttable } from "./cuttable-store.fixture.ts";
import { createRedisLimitStore } from "./index.ts";

/*
 * Goal: limits hold whoever counts. Method: several limiters, as several proxies have them, over
 * one store, at once; some of them fall silent without a word.
 */

const url = process.env["WARMPATH_TEST_REDIS_URL"];
const estimate = { inputTokens: 10, outputTokens: 0, inputCost: 0, outputCost: 0 };
const used = (inputTokens: number) => ({ inputTokens, outputTokens: 0, cost: 0 });

/** A fifth of the default: tests wait for leases to lapse. */
const leaseMs = 600;

function sharedLimits(name: string, makeStore: () => () => LimitStore, skip?: string): void {
  const title = `shared limits over ${name}${skip === undefined ? "" : ` (skipped: ${skip})`}`;
  describe.skipIf(skip !== undefined)(title, () => {
    const setUp = (count: number, ...entries: readonly string[]) => {
      const newStore = makeStore();
      const proxies = Array.from({ length: count }, () => {
        const { store, ...lines } = cuttable(newStore());
        const limiter = createLimiter({
          rules: parseLimits(entries, "WARMPATH_LIMITS"),
          clock: systemClock,
          accountsMax: 100,
          topUpTokens: 16,
          shared: { store, holder: crypto.randomUUID(), leaseMs, onStore: () => undefined },
        });
        return { limiter, ...lines };
      });
      // A tenant of its own for each test: the server may be shared.
      const subject = { tenant: crypto.randomUUID(), user: "u", key: "k", model: "m" };
      const reserve = async (limiter: Limiter, tokens = 10) =>
        (await limiter.reserve(subject, { ...estimate, inputTokens: tokens }, 0)).reservation;
      const close = () => Promise.all(proxies.map(({ limiter }) => limiter.close()));
      return { proxies, reserve, subject, close };
    };
    const granted = (all: readonly (Reservation | undefined)[]) =>
      all.filter((each) => each !== undefined);

    test("64 concurrent requests at four proxies do not overdraw a budget", async () => {
      const { proxies, reserve, close } = setUp(4, "tenant=* tokens/calendar-month=100 slice=0%");
      const askAll = () =>
        Promise.all(
          proxies.flatMap(({ limiter }) => Array.from({ length: 16 }, () => reserve(limiter))),
        );
      const first = granted(await askAll());
      expect(first.length).toBe(10);
      for (const each of first) {
        each?.settle(used(10));
      }
      expect(granted(await askAll()).length).toBe(0);
      await close();
    });

    test("64 concurrent requests at four proxies through a 100-token limit overspend by nothing", async () => {
      const { proxies, reserve, close } = setUp(4, "tenant=* tokens/day=100");
      const all = await Promise.all(
        Array.from({ length: 64 }, (_, index) => {
          const proxy = proxies[index % proxies.length];
          return proxy === undefined ? undefined : reserve(proxy.limiter);
        }),
      );
      const count = granted(all).length;
      expect(count).toBeLessThanOrEqual(10);
      // Slices that other proxies hold may keep some of it back for a moment.
      expect(count).toBeGreaterThanOrEqual(8);
      await close();
    });

    test("the last tokens are found, wherever they are held", async () => {
      const { proxies, reserve, close } = setUp(3, "tenant=* tokens/day=1000 slice=20%");
      let count = 0;
      for (let round = 0; round < 300 && count < 100; round += 1) {
        const proxy = proxies[round % proxies.length];
        const reservation = proxy && (await reserve(proxy.limiter));
        count += reservation === undefined ? 0 : 1;
        await Bun.sleep(reservation === undefined ? 50 : 0);
      }
      expect(count).toBe(100);
      expect(granted(await Promise.all(proxies.map(({ limiter }) => reserve(limiter))))).toEqual(
        [],
      );
      await close();
    }, 20_000);

    test("without slices every request asks, and is served while anything is left", async () => {
      const { proxies, reserve, close } = setUp(2, "tenant=* tokens/day=100 slice=0%");
      const taken: (Reservation | undefined)[] = [];
      for (let count = 0; count < 12; count += 1) {
        taken.push(await reserve(proxies[count % 2]?.limiter as Limiter));
      }
      expect(taken.map((each) => each !== undefined)).toEqual(taken.map((_, at) => at < 10));
      await close();
    });

    test("a store that forgot everything is told again, and nobody is refused for it", async () => {
      const forgetting = createMemoryLimitStore({ clock: systemClock });
      const limiter = createLimiter({
        rules: parseLimits(["tenant=* tokens/day=1000", "tenant=* concurrency=50"], ""),
        clock: systemClock,
        accountsMax: 100,
        topUpTokens: 16,
        shared: { store: forgetting, holder: "a", leaseMs, onStore: () => undefined },
      });
      const subject = { tenant: "t", user: "u", key: "k", model: "m" };
      for (let count = 0; count < 40; count += 1) {
        if (count % 10 === 5) {
          await forgetting.close();
        }
        const { reservation } = await limiter.reserve(subject, estimate, 0);
        expect(reservation).toBeDefined();
      }
      await limiter.close();
    });

    test("what a forgotten account has spent does not come back with it", async () => {
      const store = createMemoryLimitStore({ clock: systemClock });
      const { promise: isTold, resolve: told } = Promise.withResolvers<void>();
      const limiter = createLimiter({
        rules: parseLimits(["tenant=* tokens/day=100 slice=0%"], ""),
        clock: systemClock,
        accountsMax: 1,
        topUpTokens: 16,
        shared: {
          store: {
            exchange: async (claims, leaseForMs) => {
              const exchanged = await store.exchange(claims, leaseForMs);
              if (claims.some(({ spent }) => spent === 90)) {
                // After the account has taken the answer in.
                setImmediate(told);
              }
              return exchanged;
            },
            close: () => store.close(),
          },
          holder: "a",
          leaseMs,
          onStore: () => undefined,
        },
      });
      const take = async (tenant: string, inputTokens: number) =>
        (
          await limiter.reserve(
            { tenant, user: "u", key: "k", model: "m" },
            { ...estimate, inputTokens },
            0,
          )
        ).reservation;
      expect(await take("spender", 90)).toBeDefined();
      await isTold;
      // Somebody else comes, and there is room for one account only.
      await take("other", 1);
      expect(await take("spender", 90)).toBeUndefined();
      await limiter.close();
    });

    test("most requests ask nobody: a slice is spent in one synchronous step each", async () => {
      const { proxies, subject, reserve, close } = setUp(1, "tenant=* tokens/day=1000000");
      const [first] = proxies;
      await reserve(first?.limiter as Limiter);
      let asked = 0;
      for (let count = 0; count < 1000; count += 1) {
        const taken = first?.limiter.reserve(subject, estimate, 0);
        asked += taken instanceof Promise ? 1 : 0;
      }
      expect(asked).toBe(0);
      await close();
    });

    test("refunds are there for the others, and debt is kept from them", async () => {
      const { proxies, reserve, close } = setUp(2, "tenant=* tokens/day=100 slice=0%");
      const [first, second] = proxies.map(({ limiter }) => limiter);
      const reservation = await reserve(first as Limiter, 100);
      expect(await reserve(second as Limiter)).toBeUndefined();
      reservation?.settle(used(30));
      // The refund is told with the next renewal, within about a second.
      let found: Reservation | undefined;
      for (let round = 0; round < 100 && found === undefined; round += 1) {
        await Bun.sleep(30);
        found = await reserve(second as Limiter, 70);
      }
      expect(found).toBeDefined();
      found?.settle(used(170));
      for (let round = 0; round < 4; round += 1) {
        expect(await reserve(first as Limiter, 1)).toBeUndefined();
        await Bun.sleep(100);
      }
      await close();
    }, 10_000);

    test("a budget gets back what a long answer did not use, though its lease is over by then", async () => {
      const { proxies, reserve, close } = setUp(2, "tenant=* tokens/calendar-month=100 slice=0%");
      const [first, second] = proxies.map(({ limiter }) => limiter);
      const long = await reserve(first as Limiter, 60);
      await Bun.sleep(3 * leaseMs);
      const other = await reserve(first as Limiter, 40);
      long?.settle(used(10));
      await Bun.sleep(3 * leaseMs);
      other?.settle(used(10));
      let found: Reservation | undefined;
      for (let round = 0; round < 50 && found === undefined; round += 1) {
        await Bun.sleep(30);
        found = await reserve(second as Limiter, 80);
      }
      expect(found).toBeDefined();
      expect(await reserve(second as Limiter, 1)).toBeUndefined();
      await close();
    }, 10_000);

    test("what a budget was spent on while the store was away or silent counts, and counts once", async () => {
      const { proxies, reserve, close } = setUp(2, "tenant=* tokens/calendar-month=100 slice=0%");
      const [first, second] = proxies;
      const spend = async (tokens: number) =>
        (await reserve(first?.limiter as Limiter, tokens))?.settle(used(tokens));
      await spend(10);
      // It is told with the next renewal.
      await Bun.sleep(leaseMs);
      first?.silence();
      await spend(10);
      await Bun.sleep(2 * leaseMs);
      first?.silence(false);
      await Bun.sleep(leaseMs);
      first?.cut();
      await spend(10);
      await Bun.sleep(2 * leaseMs);
      await spend(10);
      first?.cut(false);
      await Bun.sleep(leaseMs);
      expect(await reserve(second?.limiter as Limiter, 61)).toBeUndefined();
      let found: Reservation | undefined;
      for (let round = 0; round < 50 && found === undefined; round += 1) {
        await Bun.sleep(30);
        found = await reserve(second?.limiter as Limiter, 60);
      }
      expect(found).toBeDefined();
      await close();
    }, 10_000);

    test("what was told and not answered before the store went away is not charged again after it", async () => {
      const { proxies, reserve, close } = setUp(2, "tenant=* tokens/calendar-month=100 slice=0%");
      const [first, second] = proxies;
      const spend = async (tokens: number) =>
        (await reserve(first?.limiter as Limiter, tokens))?.settle(used(tokens));
      await spend(10);
      await Bun.sleep(leaseMs);
      first?.silence();
      await spend(10);
      // Told again and again, and never answered.
      await Bun.sleep(leaseMs);
      first?.cut();
      await Bun.sleep(2 * leaseMs);
      // Somebody else looks: what lapsed has lapsed.
      expect(await reserve(second?.limiter as Limiter, 90)).toBeUndefined();
      first?.cut(false);
      first?.silence(false);
      await Bun.sleep(leaseMs);
      expect(await reserve(second?.limiter as Limiter, 81)).toBeUndefined();
      expect(await reserve(second?.limiter as Limiter, 80)).toBeDefined();
      await close();
    }, 10_000);

    test("what one limit was told beside another that the store had forgotten is told again", async () => {
      const { proxies, reserve, close } = setUp(
        2,
        "tenant=* tokens/calendar-month=100 slice=0%",
        "tenant=* concurrency=5",
      );
      const [first, second] = proxies;
      const reservation = await reserve(first?.limiter as Limiter, 40);
      const forgotten = first?.forgetOnce();
      reservation?.settle(used(40));
      await forgotten;
      await Bun.sleep(2 * leaseMs);
      expect(await reserve(second?.limiter as Limiter, 61)).toBeUndefined();
      expect(await reserve(second?.limiter as Limiter, 60)).toBeDefined();
      await close();
    }, 10_000);

    test("places and slices of a proxy that died come back, and it overspends by its slice at most", async () => {
      const { proxies, reserve, close } = setUp(
        3,
        "tenant=* tokens/day=200 slice=10% on-error=closed",
        "tenant=* concurrency=12 on-error=closed",
      );
      const [dead, ...alive] = proxies;
      const first = await Promise.all(
        Array.from({ length: 8 }, () => reserve(dead?.limiter as Limiter)),
      );
      let count = granted(first).length;
      expect(count).toBe(8);
      dead?.cut();
      for (let round = 0; round < 40; round += 1) {
        // It goes on from its slice until its lease is over by its own clock, and nobody hears it.
        count += granted([await reserve(dead?.limiter as Limiter)]).length;
        for (const { limiter } of alive) {
          const reservation = await reserve(limiter);
          count += granted([reservation]).length;
          reservation?.settle(used(10));
        }
        await Bun.sleep(50);
      }
      // 200 tokens, and the dead one's slice, which came back although it had been spent.
      expect(10 * count).toBeLessThanOrEqual(200 + 20);
      expect(10 * count).toBeGreaterThanOrEqual(190);
      await close();
    }, 15_000);

    test("while the store is away open limits go by each proxy's own count, closed ones refuse", async () => {
      const open = setUp(1, "tenant=* tokens/day=100");
      const closed = setUp(1, "tenant=* tokens/day=100 on-error=closed");
      for (const { proxies } of [open, closed]) {
        proxies[0]?.cut();
      }
      const take = (given: ReturnType<typeof setUp>) =>
        Promise.all(
          Array.from({ length: 20 }, () => given.reserve(given.proxies[0]?.limiter as Limiter)),
        );
      expect(granted(await take(open)).length).toBe(10);
      expect(granted(await take(closed)).length).toBe(0);
      const refused = await closed.proxies[0]?.limiter.reserve(closed.subject, estimate, 0);
      expect(refused?.refusal).toMatchObject({ isAway: true });
      closed.proxies[0]?.cut(false);
      let found: Reservation | undefined;
      for (let round = 0; round < 100 && found === undefined; round += 1) {
        await Bun.sleep(30);
        found = await closed.reserve(closed.proxies[0]?.limiter as Limiter);
      }
      expect(found).toBeDefined();
      await Promise.all([open.close(), closed.close()]);
    }, 10_000);
  });
}

sharedLimits("memory", () => {
  const store = createMemoryLimitStore({ clock: systemClock });
  return () => ({ exchange: store.exchange, close: async () => undefined });
});
sharedLimits(
  "Redis",
  () => () =>
    createRedisLimitStore({ url: url ?? "", clock: systemClock, keyPrefix: "warmpath-test:" }),
  url === undefined ? "WARMPATH_TEST_REDIS_URL is not set" : undefined,
);
