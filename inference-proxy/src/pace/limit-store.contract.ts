import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import type { Claim, LimitStore } from "./limit-store.ts";

const dayMs = 86_400_000;
const leaseMs = 60_000;
const shortLeaseMs = 80;

/**
 * What every store of shared limits does. Buckets are fresh in each test, so a shared server will
 * do; periods are days, so that nothing refills while a test runs.
 */
export function limitStoreContract(name: string, makeStore: () => LimitStore, skip?: string): void {
  const title = `limit store contract: ${name}${skip === undefined ? "" : ` (skipped: ${skip})`}`;
  describe.skipIf(skip !== undefined)(title, () => {
    let store: LimitStore;
    let count = 0;
    const run = crypto.randomUUID();
    const newBucket = () => `test:${run}:${count++}`;
    const claim = (bucket: string, over: Partial<Claim> = {}): Claim => ({
      bucket,
      holder: "a",
      isFirst: true,
      amount: 100,
      periodMs: dayMs,
      spent: 0,
      kept: 0,
      need: 0,
      wish: 0,
      slice: 0,
      ...over,
    });
    const one = async (asked: Claim, ms = leaseMs) => {
      const { isGranted, grants } = await store.exchange([asked], ms);
      return { isGranted, kept: grants[0]?.kept, left: Math.round(grants[0]?.left ?? Number.NaN) };
    };

    beforeAll(() => {
      store = makeStore();
    });
    afterAll(() => store?.close());

    test("grants what is there and refuses what is not", async () => {
      const bucket = newBucket();
      expect(await one(claim(bucket, { need: 60 }))).toEqual({
        isGranted: true,
        kept: 60,
        left: 40,
      });
      const second = claim(bucket, { holder: "b", need: 60 });
      expect(await one(second)).toEqual({ isGranted: false, kept: 0, left: 40 });
      expect(await one({ ...second, need: 40 })).toEqual({ isGranted: true, kept: 40, left: 0 });
    });

    test("grants to all claims of an exchange or to none", async () => {
      const [full, empty] = [newBucket(), newBucket()];
      await one(claim(empty, { need: 100 }));
      const both = [claim(full, { holder: "b", need: 10 }), claim(empty, { holder: "b", need: 1 })];
      const { isGranted, grants } = await store.exchange(both, leaseMs);
      expect(isGranted).toBe(false);
      expect(grants.map(({ kept }) => kept)).toEqual([0, 0]);
      expect((await one(claim(full, { holder: "c", need: 100 }))).isGranted).toBe(true);
    });

    test("two claims on one bucket in one exchange are added up", async () => {
      const bucket = newBucket();
      const both = (need: number) => [
        claim(bucket, { need, slice: 4 }),
        claim(bucket, { holder: "b", need }),
      ];
      expect((await store.exchange(both(60), leaseMs)).isGranted).toBe(false);
      expect(await one(claim(bucket, { holder: "c" }))).toMatchObject({ left: 100 });
      const { isGranted, grants } = await store.exchange(both(40), leaseMs);
      expect(isGranted).toBe(true);
      expect(grants.map(({ kept }) => kept)).toEqual([41, 40]);
      expect(await one(claim(bucket, { holder: "c" }))).toMatchObject({ left: 19 });
    });

    test("the same claim twice is taken in once: an answer may get lost", async () => {
      const bucket = newBucket();
      const asked = claim(bucket, { need: 30 });
      await one(asked);
      expect(await one(asked)).toMatchObject({ kept: 30, left: 70 });
      const spent = { ...asked, isFirst: false, spent: 20, kept: 30, need: 10 };
      await one(spent);
      expect(await one(spent)).toMatchObject({ kept: 40, left: 60 });
    });

    test("what is no longer kept comes back, and overspending is debt", async () => {
      const bucket = newBucket();
      await one(claim(bucket, { need: 50 }));
      const back = claim(bucket, { isFirst: false, spent: 20, kept: 20 });
      expect(await one(back)).toMatchObject({ kept: 20, left: 80 });
      const debt = claim(bucket, { isFirst: false, spent: 130, kept: 20 });
      expect(await one(debt)).toMatchObject({ kept: 130, left: -30 });
      expect(await one(claim(bucket, { holder: "b", need: 1 }))).toMatchObject({
        isGranted: false,
        left: -30,
      });
    });

    test("wishes and slices are granted after all needs, a slice by little of what is left", async () => {
      const bucket = newBucket();
      const asked = claim(bucket, { need: 20, wish: 30, slice: 100 });
      expect(await one(asked)).toEqual({ isGranted: true, kept: 52, left: 48 });
      const greedy = claim(bucket, { holder: "b", need: 8, wish: 500 });
      expect(await one(greedy)).toEqual({ isGranted: true, kept: 48, left: 0 });
    });

    test("a need above the whole limit goes when the bucket is full, and leaves debt", async () => {
      const bucket = newBucket();
      const big = claim(bucket, { need: 250 });
      expect(await one(big)).toEqual({ isGranted: true, kept: 250, left: -150 });
      expect(await one(claim(bucket, { holder: "b", need: 250 }))).toMatchObject({
        isGranted: false,
      });
    });

    test("a budget does not refill, and nothing larger than it goes", async () => {
      const bucket = newBucket();
      const budget = { periodMs: 100, calendar: "day" } as const;
      expect(await one(claim(bucket, { ...budget, need: 101 }))).toMatchObject({
        isGranted: false,
        left: 100,
      });
      await one(claim(bucket, { ...budget, need: 70 }));
      await Bun.sleep(60);
      const spent = { ...budget, isFirst: false, spent: 70, kept: 70 };
      expect(await one(claim(bucket, spent))).toMatchObject({ left: 30 });
    });

    test("a budget that is raised or lowered is so at once, and keeps what was spent of it", async () => {
      const bucket = newBucket();
      const budget = { periodMs: dayMs, calendar: "day" } as const;
      await one(claim(bucket, { ...budget, need: 80 }));
      const other = { ...budget, holder: "b", amount: 200, need: 120 };
      expect(await one(claim(bucket, { ...other, amount: 50, need: 1 }))).toMatchObject({
        isGranted: false,
        left: -30,
      });
      expect(await one(claim(bucket, other))).toMatchObject({ isGranted: true, left: 0 });
    });

    test("a new lease may begin with what comes back of an earlier one, once", async () => {
      const bucket = newBucket();
      const budget = { periodMs: dayMs, calendar: "day" } as const;
      await one(claim(bucket, { ...budget, holder: "a.0", need: 90 }), shortLeaseMs);
      const spent = { ...budget, holder: "a.0", isFirst: false, spent: 90, kept: 90 };
      expect(await one(claim(bucket, spent), shortLeaseMs)).toMatchObject({ left: 10 });
      await Bun.sleep(shortLeaseMs + 40);
      const back = claim(bucket, { ...budget, holder: "a.1", spent: -60, kept: -60 });
      expect(await one(back)).toMatchObject({ kept: -60, left: 70 });
      expect(await one(back)).toMatchObject({ kept: -60, left: 70 });
    });

    describe("what a lease of a budget has told is charged once, however the next one begins", () => {
      const budget = { periodMs: dayMs, calendar: "day" } as const;
      const tell = (bucket: string, over: Partial<Claim>, ms = leaseMs) =>
        one(claim(bucket, { ...budget, holder: "a.0", ...over }), ms);

      test("after it lapsed: the answer to its last word was lost, and the new one repeats that", async () => {
        const bucket = newBucket();
        await tell(bucket, { need: 50 }, shortLeaseMs);
        await tell(bucket, { isFirst: false, spent: 10, kept: 50 }, shortLeaseMs);
        // Heard, and nobody knows.
        await tell(bucket, { isFirst: false, spent: 30, kept: 50 }, shortLeaseMs);
        await Bun.sleep(shortLeaseMs + 40);
        const anew = { holder: "a.1", before: { holder: "a.0", spent: 10 }, spent: 25, kept: 25 };
        expect(await tell(bucket, anew)).toMatchObject({ kept: 25, left: 65 });
        expect(await tell(bucket, anew)).toMatchObject({ kept: 25, left: 65 });
        const more = { holder: "a.1", isFirst: false, spent: 26, kept: 26 };
        expect(await tell(bucket, more)).toMatchObject({ kept: 26, left: 64 });
      });

      test("while it has not lapsed yet", async () => {
        const bucket = newBucket();
        await tell(bucket, { need: 50 });
        await tell(bucket, { isFirst: false, spent: 30, kept: 30 });
        const anew = { holder: "a.1", before: { holder: "a.0", spent: 10 }, spent: 25, kept: 25 };
        expect(await tell(bucket, anew)).toMatchObject({ left: 65 });
      });

      test("when its own first word is repeated after it lapsed", async () => {
        const bucket = newBucket();
        const first = { spent: 40, kept: 40 };
        await tell(bucket, first, shortLeaseMs);
        await Bun.sleep(shortLeaseMs + 40);
        expect(await tell(bucket, first, shortLeaseMs)).toMatchObject({ left: 60 });
        await Bun.sleep(shortLeaseMs + 40);
        expect(await tell(bucket, { ...first, spent: 45 })).toMatchObject({ left: 55 });
      });

      test("what came back to it comes back once", async () => {
        const bucket = newBucket();
        await tell(bucket, { spent: 60, kept: 60 }, shortLeaseMs);
        await tell(bucket, { isFirst: false, spent: 40, kept: 40 }, shortLeaseMs);
        await Bun.sleep(shortLeaseMs + 40);
        const anew = { holder: "a.1", before: { holder: "a.0", spent: 60 }, spent: -20, kept: -20 };
        expect(await tell(bucket, anew)).toMatchObject({ left: 60 });
      });
    });

    test("concurrency does not refill: what is left is the limit less what all hold", async () => {
      const bucket = newBucket();
      const places = { amount: 10, periodMs: 0 };
      await one(claim(bucket, { ...places, need: 7 }));
      const other = claim(bucket, { ...places, holder: "b", need: 4 });
      expect(await one(other)).toMatchObject({ isGranted: false, left: 3 });
      await one(claim(bucket, { ...places, isFirst: false, spent: 3, kept: 3 }));
      expect(await one(other)).toMatchObject({ isGranted: true, kept: 4, left: 3 });
    });

    test("a silent holder's lease lapses: what it had not spent comes back, places all of them", async () => {
      const [tokens, places] = [newBucket(), newBucket()];
      const held = claim(tokens, { holder: "dead", need: 60 });
      await one(held, shortLeaseMs);
      await one({ ...held, isFirst: false, spent: 25, kept: 60, need: 0 }, shortLeaseMs);
      const seats = { amount: 5, periodMs: 0 };
      await one(claim(places, { ...seats, holder: "dead", need: 5 }), shortLeaseMs);
      expect((await one(claim(places, { ...seats, need: 1 }))).isGranted).toBe(false);
      await Bun.sleep(shortLeaseMs + 40);
      expect(await one(claim(tokens))).toMatchObject({ left: 75 });
      expect(await one(claim(places, { ...seats, need: 5 }))).toMatchObject({ isGranted: true });
      // The holder was not dead after all: it learns that its lease is gone, and nothing is done.
      const again = claim(tokens, { holder: "dead", isFirst: false, spent: 30, kept: 60, need: 1 });
      const lost = await store.exchange([claim(newBucket(), { need: 1 }), again], leaseMs);
      expect(lost.isGranted).toBe(false);
      expect(lost.grants.map(({ kept }) => kept)).toEqual([0, undefined]);
      // What it had spent unheard is the debt with which its next lease begins.
      const anew = claim(tokens, { holder: "dead.2", spent: 5, kept: 5 });
      expect(await one(anew)).toMatchObject({ left: 70 });
    });

    test("refills by time", async () => {
      const bucket = newBucket();
      const quick = { periodMs: 200 };
      await one(claim(bucket, { ...quick, need: 100 }));
      await one(claim(bucket, { ...quick, isFirst: false, spent: 100, kept: 100 }));
      await Bun.sleep(120);
      const { left } = await one(claim(bucket, { ...quick, holder: "b" }));
      expect(left).toBeGreaterThan(40);
      await Bun.sleep(150);
      expect(await one(claim(bucket, { ...quick, holder: "b" }))).toMatchObject({ left: 100 });
    });

    test("conserves units, whatever is claimed in whatever order", async () => {
      const random = seededRandom(name.length);
      const bucket = newBucket();
      const holders = ["a", "b", "c"].map((holder) => ({
        holder,
        isFirst: true,
        spent: 0,
        kept: 0,
      }));
      for (let step = 0; step < 300; step += 1) {
        const at = holders[Math.floor(random.next() * holders.length)];
        if (at === undefined) {
          continue;
        }
        at.spent += Math.floor(random.next() * 4 * (at.kept - at.spent + 1)) / 4;
        at.spent = Math.floor(at.spent);
        const asked = claim(bucket, {
          ...at,
          amount: 1000,
          kept: Math.max(at.spent, at.kept - Math.floor(random.next() * 5)),
          need: Math.floor(random.next() * 10),
          wish: Math.floor(random.next() * 10),
          slice: Math.floor(random.next() * 10),
        });
        const { kept, left } = await one(asked);
        at.kept = kept ?? Number.NaN;
        at.isFirst = false;
        const granted = holders.reduce((sum, each) => sum + each.kept, 0);
        expect(left + granted).toBe(1000);
        expect(left).toBeGreaterThanOrEqual(0);
      }
    });
  });
}
