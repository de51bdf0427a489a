import { describe, expect, test } from "bun:test";
import { createFreeRates } from "./free-rates.ts";

describe("createFreeRates()", () => {
  test("learns an even rate, soon and for long", () => {
    const rates = createFreeRates();
    for (let nowMs = 0; nowMs <= 120_000; nowMs += 250) {
      rates.freed("m", nowMs);
      if (nowMs === 5000 || nowMs === 120_000) {
        expect(rates.perSecond("m", nowMs)).toBeWithin(3.7, 4.5);
      }
    }
    expect(rates.perSecond("other", 120_000)).toBeUndefined();
  });

  test("follows a change within a minute, and a stop to nothing", () => {
    const rates = createFreeRates();
    let nowMs = 0;
    for (; nowMs < 60_000; nowMs += 100) {
      rates.freed("m", nowMs);
    }
    for (; nowMs < 120_000; nowMs += 1000) {
      rates.freed("m", nowMs);
    }
    expect(rates.perSecond("m", nowMs)).toBeWithin(0.9, 1.7);
    expect(rates.perSecond("m", nowMs + 200_000)).toBeLessThan(0.001);
  });

  test("places that others take, who did not wait, are none for who waits", () => {
    const rates = createFreeRates();
    for (let nowMs = 0; nowMs <= 60_000; nowMs += 100) {
      rates.freed("m", nowMs);
      if (nowMs % 400 !== 0) {
        rates.overtook("m", nowMs);
      }
    }
    expect(rates.perSecond("m", 60_000)).toBeWithin(2, 3.5);
  });

  test("one place that came free is no thousand a second", () => {
    const rates = createFreeRates();
    rates.freed("m", 5);
    expect(rates.perSecond("m", 5)).toBe(1);
  });
});
