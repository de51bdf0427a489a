import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { createFairLane } from "./fair-lane.ts";

interface Ask {
  readonly rank: number;
  readonly tenant: string;
  readonly bytes: number;
  readonly tokens: number;
}

/** Serves the next one whole: charges it, and settles at once. */
function serveNext(lane: ReturnType<typeof createFairLane<Ask>>): Ask | undefined {
  const next = lane.next();
  if (next !== undefined) {
    lane.serve(next.tenant, next.tokens).settle(next.tokens);
    lane.leave(next);
  }
  return next;
}

describe("createFairLane()", () => {
  test("two backlogged tenants get the same tokens, whatever the size of their requests", () => {
    const lane = createFairLane<Ask>();
    for (let index = 0; index < 400; index += 1) {
      lane.join({ rank: 0, bytes: 1, tenant: "long", tokens: 1000 });
      lane.join({ rank: 0, bytes: 1, tenant: "short", tokens: 50 });
    }
    const tokens = { long: 0, short: 0 };
    while (tokens.short < 400 * 50 - 1000) {
      const served = serveNext(lane);
      tokens[served?.tenant as "long" | "short"] += served?.tokens ?? 0;
    }
    // The bound of the paper: never further apart than the largest request.
    expect(Math.abs(tokens.long - tokens.short)).toBeLessThanOrEqual(1000);
  });

  test("at random arrivals no two backlogged tenants drift apart by more than two requests", () => {
    const random = seededRandom(7);
    const lane = createFairLane<Ask>();
    const served = new Map<string, number>();
    const names = ["a", "b", "c"];
    for (const tenant of names) {
      for (let index = 0; index < 300; index += 1) {
        lane.join({ rank: 0, bytes: 1, tenant, tokens: 1 + Math.floor(random.next() * 2000) });
      }
    }
    for (let round = 0; round < 300; round += 1) {
      const { tenant = "", tokens = 0 } = serveNext(lane) ?? {};
      served.set(tenant, (served.get(tenant) ?? 0) + tokens);
      const all = names.map((name) => served.get(name) ?? 0);
      expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(2 * 2000);
    }
  });

  test("idling saves nothing up: who comes back shares from then on", () => {
    const lane = createFairLane<Ask>();
    for (let index = 0; index < 100; index += 1) {
      lane.join({ rank: 0, bytes: 1, tenant: "steady", tokens: 100 });
    }
    for (let index = 0; index < 50; index += 1) {
      serveNext(lane);
    }
    for (let index = 0; index < 50; index += 1) {
      lane.join({ rank: 0, bytes: 1, tenant: "late", tokens: 100 });
    }
    const next = Array.from({ length: 20 }, () => serveNext(lane)?.tenant);
    expect(next.filter((tenant) => tenant === "late").length).toBeGreaterThanOrEqual(10);
    expect(next.filter((tenant) => tenant === "late").length).toBeLessThanOrEqual(11);
  });

  test("nobody pays for having been alone", () => {
    const lane = createFairLane<Ask>();
    for (let index = 0; index < 1000; index += 1) {
      lane.serve("first", 1000).settle(1000);
    }
    lane.join({ rank: 0, bytes: 1, tenant: "first", tokens: 10 });
    lane.join({ rank: 0, bytes: 1, tenant: "first", tokens: 10 });
    for (let index = 0; index < 10; index += 1) {
      lane.join({ rank: 0, bytes: 1, tenant: "second", tokens: 10 });
    }
    const order = Array.from({ length: 10 }, () => serveNext(lane)?.tenant);
    expect(order.indexOf("first")).toBeLessThanOrEqual(1);
  });

  test("nobody pays for yesterday: what was had before the lane was empty is forgotten", () => {
    const lane = createFairLane<Ask>();
    lane.serve("heavy", 1_000_000).settle(1_000_000);
    lane.serve("light", 10);
    lane.join({ rank: 0, bytes: 1, tenant: "light", tokens: 10 });
    lane.join({ rank: 0, bytes: 1, tenant: "heavy", tokens: 10 });
    expect(lane.next()?.tenant).toBe("heavy");
  });

  test("a guess is made good when the request ends, once", () => {
    const lane = createFairLane<Ask>();
    const wrong = lane.serve("guessed", 10_000);
    lane.serve("other", 100);
    lane.join({ rank: 0, bytes: 1, tenant: "other", tokens: 1 });
    lane.join({ rank: 0, bytes: 1, tenant: "guessed", tokens: 1 });
    expect(lane.next()?.tenant).toBe("other");
    wrong.settle(1);
    wrong.settle(50_000);
    expect(lane.next()?.tenant).toBe("guessed");
  });

  test("a refund during the wait counts for those who wait", () => {
    const lane = createFairLane<Ask>();
    const services = ["a", "b"].map((tenant) => lane.serve(tenant, 1000));
    lane.join({ rank: 0, bytes: 1, tenant: "a", tokens: 1 });
    lane.join({ rank: 0, bytes: 1, tenant: "b", tokens: 1 });
    services[1]?.settle(0);
    expect(lane.next()?.tenant).toBe("b");
  });

  test("who comes to a full house goes first until it holds as much as the others", () => {
    const lane = createFairLane<Ask>();
    for (let index = 0; index < 8; index += 1) {
      lane.serve("noisy", 100);
    }
    for (let index = 0; index < 20; index += 1) {
      lane.join({ rank: 0, bytes: 1, tenant: "noisy", tokens: 100 });
      lane.join({ rank: 0, bytes: 1, tenant: "quiet", tokens: 100 });
    }
    const order = Array.from({ length: 12 }, () => {
      const next = lane.next();
      if (next !== undefined) {
        lane.serve(next.tenant, next.tokens);
        lane.leave(next);
      }
      return next?.tenant;
    });
    expect(order.slice(0, 8)).toEqual(Array.from({ length: 8 }, () => "quiet"));
    expect(order.slice(8).filter((tenant) => tenant === "quiet").length).toBe(2);
  });

  test("leaving takes one out wherever it stands", () => {
    const lane = createFairLane<Ask>();
    const asks = ["a", "b", "a"].map((tenant) => ({ rank: 0, bytes: 1, tenant, tokens: 1 }));
    for (const ask of asks) {
      lane.join(ask);
    }
    expect([lane.size, lane.everyone().length]).toEqual([3, 3]);
    expect(asks.map((ask) => lane.leave(ask))).toEqual([true, true, true]);
    expect(asks.map((ask) => lane.leave(ask))).toEqual([false, false, false]);
    expect([lane.size, lane.next()]).toEqual([0, undefined]);
  });

  test("tenants that come once and go leave nothing behind, in a quiet lane and in a full one", () => {
    const lane = createFairLane<Ask>();
    for (let index = 0; index < 10_000; index += 1) {
      lane.serve(`once${index}`, 10).settle(10);
    }
    expect(lane.tenants).toBeLessThanOrEqual(64);
    for (let index = 0; index < 10; index += 1) {
      lane.join({ rank: 0, bytes: 1, tenant: "steady", tokens: 10 });
    }
    for (let index = 0; index < 10_000; index += 1) {
      lane.join({ rank: 0, bytes: 1, tenant: `again${index}`, tokens: 10 });
      lane.join({ rank: 0, bytes: 1, tenant: "steady", tokens: 10 });
      serveNext(lane);
      serveNext(lane);
    }
    expect(lane.size).toBe(10);
    expect(lane.tenants).toBeLessThan(200);
  });
});
