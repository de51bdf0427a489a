import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { createBookings, type Endpoint, explainPick, pickEndpoint } from "./index.ts";

const request = { model: "m", excluded: new Set<string>(), warmOn: undefined };

function endpoint(name: string, over: Partial<Endpoint> = {}): Endpoint {
  return {
    name,
    healthy: true,
    unhealthyReason: "",
    models: new Set(["m"]),
    inFlightMax: 1000,
    engineRunning: undefined,
    engineWaiting: undefined,
    ...over,
  };
}

const idle = { inFlight: () => 0 };

describe("pickEndpoint()", () => {
  test("prefers fewer in flight here, then the engine's own word, then the warm one", () => {
    const loads = { inFlight: (name: string) => ({ a: 2, b: 1, c: 1, d: 1 })[name] ?? 0 };
    const all = [
      endpoint("a"),
      endpoint("b", { engineRunning: 1, engineWaiting: 1 }),
      endpoint("c", { engineRunning: 1 }),
      endpoint("d", { engineRunning: 1 }),
    ];
    const warm = { ...request, warmOn: "d" };
    expect(pickEndpoint(all, loads, warm, 0).endpoint?.name).toBe("d");
    expect(pickEndpoint(all, loads, { ...request, warmOn: "a" }, 0).endpoint?.name).toBe("c");
  });

  test("says the furthest reason when nobody can take the request", () => {
    const cases = [
      { all: [], reason: "unknown-model" },
      { all: [endpoint("a", { models: new Set(["x"]) })], reason: "unknown-model" },
      { all: [endpoint("a", { healthy: false })], reason: "unhealthy" },
      { all: [endpoint("a", { healthy: false, models: new Set() })], reason: "unhealthy" },
      {
        all: [endpoint("a", { healthy: false }), endpoint("b", { inFlightMax: 0 })],
        reason: "saturated",
      },
    ] as const;
    for (const { all, reason } of cases) {
      expect(pickEndpoint(all, idle, request, 0.5).reason).toBe(reason);
    }
    const excluded = { ...request, excluded: new Set(["a"]) };
    expect(pickEndpoint([endpoint("a")], idle, excluded, 0).reason).toBe("excluded");
  });

  test("agrees with explainPick on 10,000 seeded cases", () => {
    const random = seededRandom(7);
    const int = (below: number) => Math.floor(random.next() * below);
    for (let round = 0; round < 10_000; round += 1) {
      const all = Array.from({ length: int(6) }, (_, index) =>
        endpoint(`e${index}`, {
          healthy: random.next() < 0.8,
          inFlightMax: int(4),
          engineRunning: int(3),
          models: new Set(random.next() < 0.8 ? ["m"] : ["n"]),
        }),
      );
      const counts = all.map(() => int(4));
      const loads = { inFlight: (name: string) => counts[Number(name.slice(1))] ?? 0 };
      const asked = { ...request, warmOn: `e${int(6)}`, excluded: new Set([`e${int(12)}`]) };
      const tie = random.next();
      const first = explainPick(all, loads, asked, tie)[0];
      const picked = pickEndpoint(all, loads, asked, tie).endpoint?.name;
      expect(first?.excluded === undefined ? first?.endpoint : undefined).toBe(picked);
    }
  });
});

describe("createBookings()", () => {
  test("a burst spreads evenly because each choice sees the bookings before it", () => {
    const bookings = createBookings({ random: seededRandom(1) });
    const all = ["a", "b", "c", "d"].map((name) => endpoint(name, { engineRunning: 3 }));
    const taken = Array.from({ length: 100 }, () => bookings.pickAndBook(all, request));
    expect(all.map(({ name }) => bookings.inFlight(name))).toEqual([25, 25, 25, 25]);
    for (const each of taken) {
      expect("booking" in each).toBe(true);
      if ("booking" in each) {
        each.booking.release();
        each.booking.release();
      }
    }
    expect(all.map(({ name }) => bookings.inFlight(name))).toEqual([0, 0, 0, 0]);
  });

  test("equals are taken in random turn, so that several proxies do not agree on one", () => {
    const bookings = createBookings({ random: seededRandom(2) });
    const first = new Set<string>();
    for (let round = 0; round < 50; round += 1) {
      const taken = bookings.pickAndBook([endpoint("a"), endpoint("b"), endpoint("c")], request);
      if ("booking" in taken) {
        first.add(taken.booking.endpoint);
        taken.booking.release();
      }
    }
    expect(first.size).toBe(3);
  });
});
