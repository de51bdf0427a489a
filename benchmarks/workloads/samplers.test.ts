import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "@warmpath/runtime/base";
import { quantileOf } from "../report/statistics.ts";
import {
  bernoulli,
  drawWhole,
  exponential,
  fromQuantiles,
  gammaGap,
  logNormal,
  poisson,
  scaled,
  shuffled,
  wholeBetween,
  zipf,
  zipfWeights,
} from "./samplers.ts";
import { tenantsOf } from "./tenants.ts";
import { callTool } from "./tools.ts";

const count = 40_000;

function draws(draw: (random: Random) => number): readonly number[] {
  const random = seededRandom("samplers");
  return Array.from({ length: count }, () => draw(random));
}

function sortedDraws(draw: (random: Random) => number): readonly number[] {
  return draws(draw).toSorted((left, right) => left - right);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function varianceOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return meanOf(values.map((value) => (value - mean) ** 2));
}

function expectNear(value: number, wanted: number, share: number): void {
  expect(Math.abs(value / wanted - 1)).toBeLessThan(share);
}

describe("samplers", () => {
  test("a lognormal has its median, its mean, and the quantiles of its sigma", () => {
    const drawn = sortedDraws((random) => logNormal(random, { median: 100, sigma: 1.15 }));
    expectNear(quantileOf(drawn, 0.5), 100, 0.03);
    expectNear(quantileOf(drawn, 0.9), 100 * Math.exp(1.2816 * 1.15), 0.03);
    expectNear(quantileOf(drawn, 0.1), 100 * Math.exp(-1.2816 * 1.15), 0.03);
    expectNear(meanOf(drawn), 100 * Math.exp(1.15 ** 2 / 2), 0.05);
  });
  test("a lognormal is cut at its cap, and scales with it", () => {
    const shape = { median: 100, sigma: 1.15, max: 250 };
    expect(sortedDraws((random) => logNormal(random, shape)).at(-1)).toBe(250);
    expect(scaled(shape, 1 / 8)).toEqual({ median: 12.5, sigma: 1.15, max: 31 });
    expect(sortedDraws((random) => drawWhole(random, { median: 1, sigma: 2.25 }))[0]).toBe(1);
  });
  test("a distribution by quantiles has them, and nothing outside", () => {
    const points = [
      [0, 2],
      [0.5, 10],
      [0.9, 500],
      [1, 600],
    ] as const;
    const drawn = sortedDraws((random) => fromQuantiles(random, { points }));
    expectNear(quantileOf(drawn, 0.5), 10, 0.03);
    expectNear(quantileOf(drawn, 0.9), 500, 0.03);
    expectNear(quantileOf(drawn, 0.25), Math.sqrt(20), 0.03);
    expect(drawn[0]).toBeGreaterThanOrEqual(2);
    expect(drawn.at(-1)).toBeLessThanOrEqual(600);
  });
  test.each([0.5, 1, 1.5, 2])("gamma gaps have their mean and variation %p", (variation) => {
    const drawn = draws((random) => gammaGap(random, 10, variation));
    expectNear(meanOf(drawn), 10, 0.04);
    expectNear(Math.sqrt(varianceOf(drawn)) / meanOf(drawn), variation, 0.04);
  });
  test("exponential deviates are gamma gaps of variation 1", () => {
    const drawn = sortedDraws((random) => exponential(random, 10));
    expectNear(meanOf(drawn), 10, 0.03);
    expectNear(quantileOf(drawn, 0.9), 10 * Math.LN10, 0.03);
  });
  test.each([0.3, 4, 40])("Poisson counts have mean and variance %p", (mean) => {
    const drawn = draws((random) => poisson(random, mean));
    expectNear(meanOf(drawn), mean, 0.03);
    expectNear(varianceOf(drawn), mean, 0.04);
    expect(drawn.every(Number.isInteger)).toBe(true);
  });
  test("no event happens in no time", () => {
    expect(draws((random) => poisson(random, 0)).every((each) => each === 0)).toBe(true);
  });
  test("a Bernoulli draw is true as often as it should be", () => {
    expectNear(meanOf(draws((random) => Number(bernoulli(random, 0.1)))), 0.1, 0.05);
    expect(draws((random) => Number(bernoulli(random, 0))).includes(1)).toBe(false);
    expect(draws((random) => Number(bernoulli(random, 1))).includes(0)).toBe(false);
  });
  test.each([
    [20, 1],
    [100, 0.6],
  ] as const)("Zipf's law over %p ranks with exponent %p", (ranks, exponent) => {
    const drawn = draws(zipf(ranks, exponent));
    const weights = zipfWeights(ranks, exponent);
    const sum = weights.reduce((left, right) => left + right, 0);
    for (const rank of [0, 1, 4]) {
      const share = drawn.filter((each) => each === rank).length / count;
      expectNear(share, (weights[rank] ?? 0) / sum, 0.1);
    }
    expect(Math.max(...drawn)).toBe(ranks - 1);
  });
  test("whole numbers between two bounds come all, each as often", () => {
    const drawn = draws((random) => wholeBetween(random, 2, 4));
    for (const each of [2, 3, 4]) {
      expectNear(drawn.filter((value) => value === each).length / count, 1 / 3, 0.05);
    }
  });
  test("a shuffled list has the same items, each place as likely for each", () => {
    const random = seededRandom(1);
    const firsts = Array.from({ length: 6_000 }, () => shuffled(random, [0, 1, 2])[0]);
    for (const item of [0, 1, 2]) {
      expectNear(firsts.filter((each) => each === item).length, 2_000, 0.08);
    }
    expect([...shuffled(random, [3, 1, 2])].sort()).toEqual([1, 2, 3]);
  });
});

describe("tools", () => {
  const random = seededRandom("tools");
  const calls = Array.from({ length: count }, () => callTool(random, { median: 300, sigma: 2.98 }));
  const pausesOf = (wanted?: string) =>
    calls
      .filter(({ toolName }) => wanted === undefined || toolName === wanted)
      .map(({ latencyMs }) => latencyMs)
      .toSorted((left, right) => left - right);
  test("together keep the overall latency", () => {
    expectNear(quantileOf(pausesOf(), 0.5), 300, 0.06);
    expectNear(quantileOf(pausesOf(), 0.9), 300 * Math.exp(1.2816 * 2.98), 0.1);
  });
  test("each have a latency of their own that tells more than the overall one", () => {
    expect(quantileOf(pausesOf("read_file"), 0.5)).toBeLessThan(60);
    expect(quantileOf(pausesOf("run_tests"), 0.5)).toBeGreaterThan(3_000);
    const logVariance = (pauses: readonly number[]) => varianceOf(pauses.map(Math.log));
    const names = [...new Set(calls.map(({ toolName }) => toolName))];
    expect(names.length).toBe(6);
    const within = names.reduce((sum, each) => {
      const pauses = pausesOf(each);
      return sum + (pauses.length / count) * logVariance(pauses);
    }, 0);
    expect(within).toBeLessThan(logVariance(pausesOf()) / 3);
  });
});

describe("tenants", () => {
  const drawn = draws(tenantsOf({ count: 20, exponent: 1, noisy: 2, runSessions: 10 }));
  const runsOf = (rank: number) =>
    drawn.filter((each, index) => each === rank && drawn[index - 1] !== rank).length;
  test("noisy or not, have Zipf's shares", () => {
    const weights = zipfWeights(20, 1);
    const sum = weights.reduce((left, right) => left + right, 0);
    for (const rank of [0, 1, 2, 10]) {
      const share = drawn.filter((each) => each === rank).length / count;
      expectNear(share, (weights[rank] ?? 0) / sum, 0.12);
    }
  });
  test("that are noisy send their sessions in runs", () => {
    const runLength = (rank: number) => drawn.filter((each) => each === rank).length / runsOf(rank);
    expect(runLength(0)).toBeGreaterThan(9);
    expect(runLength(1)).toBeGreaterThan(9);
    expect(runLength(2)).toBeLessThan(1.5);
  });
});
