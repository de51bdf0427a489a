import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { PrefillRates } from "./prefill-rates.ts";

/** An engine with 15 ms before anything, 20 µs a token, and 1 ns for each pair of tokens. */
function secondsOf(uncachedTokens: number, promptTokens: number): number {
  return uncachedTokens * 20e-6 + uncachedTokens * (promptTokens - uncachedTokens / 2) * 1e-9;
}

describe("PrefillRates", () => {
  test("learns what tokens and pairs of tokens cost from noisy first events", () => {
    const random = seededRandom(1);
    const rates = new PrefillRates(2);
    for (let round = 0; round < 300; round += 1) {
      const promptTokens = 500 + Math.floor(random.next() * 30_000);
      const uncachedTokens = Math.ceil(promptTokens * random.next());
      const exact = 0.015 + secondsOf(uncachedTokens, promptTokens);
      const firstEventSeconds = exact * (0.95 + random.next() * 0.1);
      rates.learn(0, { firstEventSeconds, promptTokens, uncachedTokens });
    }
    for (const [uncached, prompt] of [
      [20_000, 20_000],
      [5000, 30_000],
    ] as const) {
      expect(rates.seconds(0, uncached, prompt) / secondsOf(uncached, prompt)).toBeCloseTo(1, 0.7);
    }
    // A replica that was not seen yet is believed to be like the others.
    expect(rates.seconds(1, 20_000, 20_000)).toBeCloseTo(secondsOf(20_000, 20_000), 1);
  });

  test("requests that are all alike, for days, leave it sane for the first that is not", () => {
    const rates = new PrefillRates(1);
    const learn = (uncachedTokens: number, promptTokens: number, factor = 1) => {
      const firstEventSeconds = 0.015 + secondsOf(uncachedTokens, promptTokens) * factor;
      rates.learn(0, { firstEventSeconds, promptTokens, uncachedTokens });
    };
    for (let round = 0; round < 100_000; round += 1) {
      learn(4000, 4000, round % 2 === 0 ? 0.99 : 1.01);
    }
    for (let round = 0; round < 10; round += 1) {
      learn(16_000, 20_000);
      const ratio = rates.seconds(0, 4000, 4000) / secondsOf(4000, 4000);
      expect(ratio).toBeGreaterThan(0.5);
      expect(ratio).toBeLessThan(2);
    }
    expect(rates.seconds(0, 16_000, 20_000) / secondsOf(16_000, 20_000)).toBeCloseTo(1, 0.7);
  });

  test("is never negative, and orders by uncached tokens before anything was learned", () => {
    const rates = new PrefillRates(1);
    expect(rates.seconds(0, 1000, 1000)).toBeGreaterThan(rates.seconds(0, 10, 1000));
    for (let round = 0; round < 50; round += 1) {
      const sample = {
        firstEventSeconds: 1 / (round + 1),
        promptTokens: 100,
        uncachedTokens: round,
      };
      rates.learn(0, sample);
    }
    expect(rates.seconds(0, 1000, 1000)).toBeGreaterThan(0);
  });
});
