import { describe, expect, test } from "bun:test";
import { meanWithInterval } from "./aggregate.ts";
import {
  cdfOf,
  createHistogram,
  meanOf,
  mergeHistograms,
  quantileOfHistogram,
} from "./histogram.ts";

describe("histograms", () => {
  test("quantiles lie within 2 % of the values counted", () => {
    const histogram = createHistogram();
    for (let value = 1; value <= 1000; value += 1) histogram.add(value);
    const built = histogram.build();
    expect(built.count).toBe(1000);
    expect(meanOf(built)).toBe(500.5);
    for (const quantile of [0.1, 0.5, 0.9, 0.99]) {
      expect(Math.abs(quantileOfHistogram(built, quantile) / (1000 * quantile) - 1)).toBeLessThan(
        0.025,
      );
    }
    expect(cdfOf(built).at(-1)).toEqual([1000, 1]);
  });

  test("merging equals counting in one", () => {
    const [one, two, both] = [createHistogram(), createHistogram(), createHistogram()];
    for (const [index, value] of [0, 3, 7.5, 7.5, 1e6, 42].entries()) {
      (index % 2 === 0 ? one : two).add(value, 2);
      both.add(value, 2);
    }
    expect(mergeHistograms([one.build(), two.build()])).toEqual(both.build());
  });

  test("an empty one has no quantile and no mean", () => {
    const empty = createHistogram().build();
    expect(quantileOfHistogram(empty, 0.5)).toBeNaN();
    expect(meanOf(empty)).toBeNaN();
    expect(empty.buckets).toEqual([]);
  });
});

describe("meanWithInterval()", () => {
  test("is Student's 95 % interval of the mean", () => {
    const { mean, halfWidth, seeds } = meanWithInterval([1, 2, 3, 4, 5]);
    expect([mean, seeds]).toEqual([3, 5]);
    // s = sqrt(2.5), t(4) = 2.776.
    expect(halfWidth).toBeCloseTo(2.776 * Math.sqrt(2.5 / 5), 6);
  });

  test("one seed has no interval, and what a cell lacks is left out", () => {
    expect(meanWithInterval([7]).halfWidth).toBeNaN();
    expect(meanWithInterval([7, Number.NaN, 9]).mean).toBe(8);
  });
});
