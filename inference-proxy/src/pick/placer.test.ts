import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { failedRest, stopRest } from "../sessions/index.ts";
import {
  all,
  ask,
  endpoint,
  finish,
  names,
  place,
  placerOf,
  promptOf,
} from "../testing/placing.ts";
import {
  type Booking,
  type Candidate,
  type Endpoint,
  furthestRefusal,
  Placer,
  type PromptSummary,
} from "./index.ts";

function anyEndpoint(name: string, int: (below: number) => number): Endpoint {
  return endpoint(name, {
    healthy: int(5) > 0,
    isDraining: int(8) === 0,
    ...(int(8) === 0 ? { heldBack: new Set(["m"]) } : {}),
    models: new Set(int(8) === 0 ? ["other"] : ["m"]),
    inFlightMax: int(8) === 0 ? 1 : 1000,
    kvTokens: 20_000 + int(80_000),
  });
}

/** By the rule, from all lines: the cheapest, of those the idlest, of those the next in turn. */
function plainChoice(
  placer: Placer,
  fleet: readonly string[],
  lines: readonly Candidate[],
  turn: number,
): string | undefined {
  const start = Math.floor(turn * fleet.length);
  const order = [...fleet.slice(start), ...fleet.slice(0, start)];
  const best = lines
    .filter(({ excluded }) => excluded === undefined)
    .toSorted(
      (one, other) =>
        one.cost - other.cost ||
        placer.inFlight(one.endpoint) - placer.inFlight(other.endpoint) ||
        order.indexOf(one.endpoint) - order.indexOf(other.endpoint),
    );
  return best[0]?.endpoint;
}

describe("Placer", () => {
  test("a burst of strangers spreads evenly, because each choice sees the bookings before it", () => {
    const placer = placerOf();
    const bookings = Array.from({ length: 100 }, (_, index) =>
      place(placer, promptOf(`s${index}`, 0)),
    );
    expect(names.map((name) => placer.inFlight(name))).toEqual([25, 25, 25, 25]);
    for (const booking of bookings) {
      booking.release({ rest: stopRest }, 1);
      booking.release({ rest: stopRest }, 1);
    }
    expect(names.map((name) => placer.inFlight(name))).toEqual([0, 0, 0, 0]);
  });

  test("equals are taken in random turn, so that several proxies do not agree on one", () => {
    const first = new Set<string>();
    for (let seed = 0; seed < 50; seed += 1) {
      first.add(place(placerOf(seed), promptOf("s", 1)).endpoint);
    }
    expect(first.size).toBe(4);
  });

  test("a session's turns go where its prefix is, and a swamped home lets them go", () => {
    const placer = placerOf();
    const prompt = promptOf("agent", 40);
    const first = place(placer, prompt);
    const home = first.endpoint;
    finish(first, prompt, 10);
    for (let turn = 1; turn < 5; turn += 1) {
      const next = promptOf("agent", 40 + turn);
      const booking = place(placer, next, turn * 1000);
      expect([booking.endpoint, booking.cachedTokensExpected > 9000]).toEqual([home, true]);
      finish(booking, next, turn * 1000 + 10);
    }
    const onlyHome = all.map((each) => (each.name === home ? each : { ...each, healthy: false }));
    for (let other = 0; other < 80; other += 1) {
      place(placer, promptOf(`o${other}`, 30), 9000, onlyHome);
    }
    expect(place(placer, promptOf("agent", 46), 9001).endpoint).not.toBe(home);
  });

  test("a prefix is followed to where one prompt is ahead, once that one is nearly computed", () => {
    const placer = placerOf();
    const known = promptOf("known", 100);
    const first = place(placer, known);
    finish(first, known, 10);
    const onlyThere = all.map((each) => ({ ...each, healthy: each.name === first.endpoint }));
    place(placer, promptOf("large", 200), 1000, onlyThere);
    const chosenAt = (nowMs: number) =>
      placer.explain(all, ask({ ...known, sessionId: "follower" }), nowMs)[0]!;
    expect(chosenAt(1000).endpoint).not.toBe(first.endpoint);
    const after = chosenAt(9000);
    expect([after.endpoint, after.terms.wait]).toEqual([first.endpoint, 0]);
  });

  test("what every candidate holds counts for nobody", () => {
    const placer = placerOf();
    const shared = promptOf("system", 20);
    for (const name of names) {
      const only = all.map((each) => (each.name === name ? each : { ...each, healthy: false }));
      finish(place(placer, { ...shared, sessionId: name }, 0, only), shared, 1);
    }
    const terms = placer.explain(all, ask({ ...shared, sessionId: "new" }), 2);
    expect(new Set(terms.map(({ cost }) => cost)).size).toBe(1);
  });

  test("refuses with the furthest reason, and takes those that failed before for no candidates", () => {
    const placer = placerOf();
    const cases = [
      {
        endpoints: all.map((each) => ({ ...each, models: new Set(["x"]) })),
        reason: "unknown-model",
      },
      { endpoints: all.map((each) => ({ ...each, healthy: false })), reason: "unhealthy" },
      { endpoints: all.map((each) => ({ ...each, inFlightMax: 0 })), reason: "saturated" },
    ] as const;
    for (const { endpoints, reason } of cases) {
      expect(placer.place(endpoints, ask(promptOf("s", 1)), 0)).toEqual({ reason });
      const inFlight = (name: string) => placer.inFlight(name);
      expect(furthestRefusal(endpoints, inFlight, ask(promptOf("s", 1)))).toBe(reason);
    }
    const failed = new Set(["a", "b", "c"]);
    const placed = placer.place(all, ask(promptOf("s", 1), failed), 0);
    expect("booking" in placed && placed.booking.endpoint).toBe("d");
  });

  test("a prompt goes where its context is long enough; a guess is the engine's to judge", () => {
    const placer = placerOf();
    const contexts = [4096, 8192, 4096, undefined];
    const fleet: Endpoint[] = all.map((each, at) => ({
      ...each,
      contextTokens: new Map(contexts[at] === undefined ? [] : [["m", contexts[at]]]),
    }));
    const silentIsOut = fleet.with(3, endpoint("d", { healthy: false, models: new Set() }));
    const long = { ...promptOf("", 20), promptTokens: 6000 };
    const longer = { ...long, promptTokens: 9000 };
    for (let round = 0; round < 20; round += 1) {
      expect(["b", "d"]).toContain(place(placer, long, 0, fleet).endpoint);
      expect(place(placer, longer, 0, fleet).endpoint).toBe("d");
      expect(place(placer, longer, 0, silentIsOut).endpoint).toBe("b");
    }
    const counted = ask({ ...longer, isExact: true });
    expect(placer.place(silentIsOut, counted, 0)).toEqual({ reason: "unhealthy" });
    const known = fleet.slice(0, 3).concat(endpoint("d", { models: new Set(["x"]) }));
    expect(placer.place(known, counted, 0)).toEqual({ reason: "too-long" });
    expect(placer.contextTokens("m")).toBe(8192);
  });

  test("new sessions wait when the caches are full, and nobody else does", () => {
    const placer = placerOf();
    const small = all.map((each) => ({ ...each, kvTokens: 10_000 }));
    const admitted = Array.from({ length: 12 }, (_, index) => promptOf(`s${index}`, 9));
    for (const prompt of admitted) {
      finish(place(placer, prompt, 0, small), prompt, 1);
    }
    const late = promptOf("late", 20);
    expect(placer.place(small, ask(late), 2)).toEqual({ reason: "no-room" });
    expect("booking" in placer.place(small, ask(promptOf("s3", 10)), 2)).toBe(true);
    expect("booking" in placer.place(small, ask(late, new Set(["a"])), 2)).toBe(true);
    expect("booking" in placer.place(small, ask(promptOf("", 20)), 2)).toBe(true);
  });

  test("sessions of a replica that is emptied or held back move, and wait for no room", () => {
    const small = names.map((name) => endpoint(name, { kvTokens: 4000 }));
    for (const away of [{ isDraining: true }, { heldBack: new Set(["m"]) }] as const) {
      const placer = placerOf();
      const homes = names.map((name) => {
        const prompt = promptOf(`of ${name}`, 10);
        const booking = place(placer, prompt, 0, small);
        finish(booking, prompt, 1);
        return { prompt, home: booking.endpoint };
      });
      const moving = homes.find(({ home }) => home === "a");
      const others = small.map((each) => (each.name === "a" ? { ...each, ...away } : each));
      expect(placer.place(others, ask(promptOf("new", 10)), 2)).toEqual({ reason: "no-room" });
      expect(place(placer, moving?.prompt ?? promptOf("", 1), 2, others).endpoint).not.toBe("a");
      expect(placer.gate.usedTokens(0)).toBe(0);
    }
  });

  test("the choice is that of a plain look at every replica, on 1,500 seeded cases", () => {
    const chance = seededRandom(5);
    const int = (below: number) => Math.floor(chance.next() * below);
    for (const count of [4, 23, 80]) {
      const fleet = Array.from({ length: count }, (_, replica) => `r${replica}`);
      let turn = 0;
      const placer = new Placer({ names: fleet, random: { ...chance, next: () => turn } });
      const open: { booking: Booking; prompt: PromptSummary }[] = [];
      let endpoints = fleet.map((name) => endpoint(name, { kvTokens: 60_000 }));
      for (let round = 0; round < 500; round += 1) {
        if (int(4) === 0) {
          endpoints = endpoints.with(int(count), anyEndpoint(fleet[int(count)] ?? "", int));
          endpoints = endpoints.map((each, at) => ({ ...each, name: fleet[at] ?? "" }));
        }
        const prompt = promptOf(int(5) === 0 ? "" : `s${int(3 * count)}`, int(40));
        const request = ask(prompt, new Set(int(6) === 0 ? [fleet[int(count)] ?? ""] : []));
        // Who asks is back, and what it left is counted on: only the first look can differ.
        placer.explain(endpoints, request, round);
        const lines = placer.explain(endpoints, request, round);
        turn = chance.next();
        const wanted = plainChoice(placer, fleet, lines, turn);
        const placed = placer.place(endpoints, request, round);
        if (!("booking" in placed)) {
          expect(wanted).toBeUndefined();
          expect(lines.map(({ excluded }) => excluded)).toContain(placed.reason);
          continue;
        }
        expect(placed.booking.endpoint).toBe(wanted ?? "");
        const kept = placed.consider();
        expect(kept.length).toBeLessThanOrEqual(16);
        expect(kept[0]?.cost).toBe(lines[0]?.cost ?? Number.NaN);
        expect(kept.find(({ endpoint: name }) => name === wanted)?.excluded).toBeUndefined();
        open.push({ booking: placed.booking, prompt });
        if (open.length > 2 * count) {
          const ended = open.splice(int(open.length), 1)[0];
          if (ended !== undefined) {
            finish(ended.booking, ended.prompt, round, int(2) === 0 ? "bash" : stopRest);
          }
        }
      }
    }
  });

  test("a slow replica is known by its first events, and gets less", () => {
    const placer = placerOf();
    const only = (name: string) =>
      all.map((each) => (each.name === name ? each : { ...each, healthy: false }));
    let nowMs = 0;
    for (let round = 0; round < 40; round += 1) {
      for (const name of names) {
        const prompt = promptOf(`${name}${round}`, 4 + (round % 20));
        const booking = place(placer, prompt, nowMs, only(name));
        const seconds = prompt.promptTokens * (name === "a" ? 100e-6 : 20e-6);
        booking.firstEvent(nowMs + seconds * 1000);
        const usage = { promptTokens: prompt.promptTokens, cachedTokens: 0 };
        booking.release({ usage, rest: stopRest }, nowMs + 1000);
        nowMs += 1000;
      }
    }
    const terms = new Map(
      placer.explain(all, ask(promptOf("new", 20)), nowMs).map((each) => [each.endpoint, each]),
    );
    const ratio = (terms.get("a")?.cost ?? 0) / (terms.get("b")?.cost ?? 1);
    expect(ratio).toBeGreaterThan(4);
    expect(ratio).toBeLessThan(6);
  });

  test("engines' own events outweigh our history where the keys are their blocks", () => {
    const placer = placerOf();
    const prompt = promptOf("s", 10, { isExact: true });
    finish(place(placer, prompt), prompt, 1);
    placer.belief.trusted(0, true);
    placer.belief.trusted(1, true);
    placer.belief.trusted(2, true);
    placer.belief.trusted(3, true);
    placer.belief.stored(2, Array.from(prompt.keys));
    const fresh = { ...prompt, sessionId: "other" };
    expect(place(placer, fresh, 2).endpoint).toBe("c");
    placer.belief.removed(2, Array.from(prompt.keys).slice(5));
    expect(place(placer, { ...fresh, sessionId: "third" }, 3).cachedTokensExpected).toBeLessThan(
      6 * 256,
    );
  });

  test("who only explains a session's route does not keep its place for it", () => {
    const placer = placerOf();
    const prompt = promptOf("s", 9);
    finish(place(placer, prompt), prompt, 1);
    placer.explain(all, ask(prompt), 20_000);
    place(placer, promptOf("other", 1), 40_000);
    expect(placer.isAdmitted(prompt)).toBe(false);
  });

  test("what other proxies have booked counts as our own does, until it has ended", () => {
    const placer = placerOf();
    const load = { requests: 5, aheadSeconds: 0.5, sessionTokens: 0 };
    for (const replica of [0, 1, 3]) {
      placer.setForeign(replica, load);
    }
    expect(place(placer, promptOf("s", 5)).endpoint).toBe("c");
    const { cost } = placer.explain(all, ask(promptOf("t", 5)), 0).at(-1) ?? { cost: 0 };
    expect(cost).toBeGreaterThan(3);
    placer.setForeign(0, { requests: 0, aheadSeconds: 0, sessionTokens: 0 });
    expect(place(placer, promptOf("u", 5)).endpoint).toBe("a");
    expect(placer.inFlight("d")).toBe(0);
  });

  test("a session of another proxy goes where that has sent it, and waits for no room", () => {
    const placer = placerOf();
    const small = all.map((each) => ({ ...each, kvTokens: 10_000 }));
    const other = promptOf("elsewhere", 20);
    placer.hear(2, { ...other, chunks: 18 }, 0);
    for (const replica of names.keys()) {
      placer.setForeign(replica, { requests: 0, aheadSeconds: 0, sessionTokens: 7000 });
    }
    expect(placer.place(small, ask(promptOf("new", 9)), 1)).toEqual({ reason: "no-room" });
    const booking = place(placer, other, 2, small);
    expect([booking.endpoint, booking.cachedTokensExpected]).toEqual(["c", 18 * 256]);
  });

  test("what was seen here leads over what others say, and what they say is forgotten in time", () => {
    const placer = placerOf();
    const prompt = promptOf("s", 20);
    const booking = place(placer, prompt, 1000);
    const home = names.indexOf(booking.endpoint);
    const elsewhere = (home + 1) % names.length;
    placer.hear(elsewhere, { ...prompt, chunks: 0 }, 1500);
    finish(booking, prompt, 2000);
    placer.hear(elsewhere, { ...prompt, chunks: 0 }, 1900);
    expect(placer.gate.consider(prompt, 2100).home).toBe(home);
    placer.hear(elsewhere, { ...prompt, chunks: 0 }, 2200);
    expect(placer.gate.consider(prompt, 2300).home).toBe(elsewhere);
    // It was counted here, and is counted there now.
    expect(placer.gate.usedTokens(home)).toBe(0);
    placer.hear(elsewhere, { ...promptOf("t", 1), chunks: 0 }, 2400);
    expect(placer.isAdmitted(promptOf("t", 1))).toBe(true);
    place(placer, promptOf("u", 1), 60_000);
    expect(placer.isAdmitted(promptOf("t", 1))).toBe(false);
  });

  test("each turn is told to a listener when it is booked and when it ends", () => {
    const told: unknown[] = [];
    const placer = new Placer({
      names,
      random: seededRandom(1),
      listener: {
        began: ({ sessionId }, replica, nowMs) => told.push(["began", sessionId, replica, nowMs]),
        ended: ({ sessionId }, replica, nowMs) => told.push(["ended", sessionId, replica, nowMs]),
      },
    });
    const prompt = promptOf("s", 2);
    const booking = place(placer, prompt, 5);
    const replica = names.indexOf(booking.endpoint);
    expect(placer.bookedAt(replica)).toMatchObject({ requests: 1, sessionTokens: 512 });
    finish(booking, prompt, 9);
    finish(booking, prompt, 10);
    expect(told).toEqual([
      ["began", "s", replica, 5],
      ["ended", "s", replica, 9],
    ]);
  });

  test("a replica that failed a prompt is not believed to hold it", () => {
    const placer = placerOf();
    const prompt = promptOf("a", 40);
    const failed = place(placer, prompt, 1);
    expect(placer.uncachedTokens(prompt)).toBeLessThan(200);
    failed.release({ rest: failedRest }, 2);
    expect(placer.uncachedTokens(prompt)).toBe(prompt.promptTokens);
    const served = place(placer, prompt, 3);
    served.firstEvent(4);
    // A stream that is cut was computed all the same.
    served.release({ rest: failedRest }, 5);
    expect(placer.uncachedTokens(prompt)).toBeLessThan(200);
  });
});
