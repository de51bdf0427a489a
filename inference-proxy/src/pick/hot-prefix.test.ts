import { describe, expect, test } from "bun:test";
import { all, finish, names, place, placerOf, promptOf } from "../testing/placing.ts";
import type { Booking } from "./index.ts";

describe("hot prefixes", () => {
  test("a prefix that everybody shares fills no replica while others idle", () => {
    const placer = placerOf();
    const shared = promptOf("", 200);
    const ended = place(placer, shared);
    finish(ended, shared, 1);
    const most: number[] = [];
    const open: Booking[] = [];
    for (let count = 1; count <= 120; count += 1) {
      const booking = place(
        placer,
        { ...shared, promptTokens: shared.promptTokens + count },
        count,
      );
      booking.firstEvent(count);
      open.push(booking);
      const loads = names.map((name) => placer.inFlight(name));
      most.push(Math.max(...loads) - 1.3 * (count / names.length));
    }
    // Of the mean 1.3 times and the slack, and the one that found it so.
    expect(Math.max(...most)).toBeLessThanOrEqual(8 + 1);
    const homes = new Set(open.map(({ endpoint: name }) => name));
    expect(homes.size).toBeGreaterThanOrEqual(3);
    // Each has computed it once, and no more: the others found it.
    const cold = open.filter(({ cachedTokensExpected }) => cachedTokensExpected === 0);
    expect(cold.length).toBe(homes.size - 1);
  });

  test("a session goes home, however many have followed it there", () => {
    const placer = placerOf();
    const prompt = promptOf("agent", 200);
    const first = place(placer, prompt);
    finish(first, prompt, 1);
    const home = all.filter(({ name }) => name === first.endpoint);
    const onlyHome = all.map(
      (each) =>
        home.find(({ name }) => name === each.name) ?? {
          ...each,
          healthy: false,
        },
    );
    for (let count = 0; count < 30; count += 1) {
      place(placer, { ...prompt, sessionId: "" }, 2, onlyHome).firstEvent(2);
    }
    expect(place(placer, { ...prompt, sessionId: "" }, 3).endpoint).not.toBe(first.endpoint);
    expect(place(placer, prompt, 3).endpoint).toBe(first.endpoint);
  });
});
