import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { UsageSchema } from "@warmpath/proto/common";
import { formatAge, formatCachedShare, formatCost, formatDuration } from "./format.ts";

describe("formats", () => {
  test.each<[bigint, string]>([
    [0n, "$0"],
    [1n, "$0.000000001"],
    [412_300n, "$0.00041"],
    [12_345_678n, "$0.012"],
    [500_000_000n, "$0.50"],
    [1_234_567_890n, "$1.23"],
  ])("%p nano-dollars are %p", (nanodollars, text) => {
    expect(formatCost(nanodollars)).toBe(text);
  });

  test("the cached share of no prompt is none", () => {
    expect(formatCachedShare(create(UsageSchema, {}))).toBe("0\u202f%");
    const usage = create(UsageSchema, { inputTokens: 200n, cachedInputTokens: 128n });
    expect(formatCachedShare(usage)).toBe("64\u202f%");
  });

  test("durations and ages are as long as they need to be", () => {
    expect([formatDuration(43.4), formatDuration(1_250)]).toEqual(["43 ms", "1.3 s"]);
    const at = (seconds: number) =>
      formatAge({ $typeName: "google.protobuf.Timestamp", seconds: 0n, nanos: 0 }, seconds * 1000);
    expect([at(10), at(300), at(7_200), at(200_000)]).toEqual(["now", "5 min", "2 h", "2 d"]);
  });
});
