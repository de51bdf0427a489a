import { describe, expect, test } from "bun:test";
import { createReplicaPaces, createTokenRatios } from "./index.ts";

describe("createReplicaPaces()", () => {
  test("knows nothing at first, then follows what it sees", () => {
    const paces = createReplicaPaces();
    expect(paces.paceOf("a")).toEqual({ firstEventMs: undefined, interTokenMs: undefined });
    paces.learn("a", { firstEventMs: 100, interTokenMs: undefined });
    for (let count = 0; count < 40; count += 1) {
      paces.learn("a", { firstEventMs: 500, interTokenMs: 10 });
    }
    expect(paces.paceOf("a").firstEventMs).toBeCloseTo(500, 0);
    expect(paces.paceOf("a").interTokenMs).toBe(10);
  });
});

describe("createTokenRatios()", () => {
  test("guesses four bytes a token until usage was reported, and bounds its models", () => {
    const ratios = createTokenRatios({ modelsMax: 1 });
    expect(ratios.estimate("m", 400)).toBe(100);
    ratios.learn("m", 600, 100);
    ratios.learn("m", 600, 0);
    ratios.learn("n", 100, 100);
    expect(ratios.estimate("m", 600)).toBe(100);
    expect(ratios.estimate("n", 400)).toBe(100);
  });
});
