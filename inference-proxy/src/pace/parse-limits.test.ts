import { describe, expect, test } from "bun:test";
import { parseLimits } from "./index.ts";

const faultOf = (...entries: readonly string[]): string => {
  try {
    parseLimits(entries, "WARMPATH_LIMITS");
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

describe("parseLimits()", () => {
  test("reads several limits of one scope, each with its period", () => {
    const text =
      "tenant=acme model=qwen tokens-out/min=200k requests/s=20 usd/day=12.50 concurrency=8 on-error=closed slice=10%";
    const rules = parseLimits([text], "WARMPATH_LIMITS");
    expect(rules.map(({ id, amount, periodMs, slice }) => [id, amount, periodMs, slice])).toEqual([
      ["tenant=acme model=qwen tokens-out/min", 200_000, 60_000, 20_000],
      ["tenant=acme model=qwen requests/s", 20, 1000, 2],
      ["tenant=acme model=qwen usd/day", 12_500_000_000, 86_400_000, 1_250_000_000],
      ["tenant=acme model=qwen concurrency", 8, 0, 0],
    ]);
    expect(rules.every(({ onError }) => onError === "closed")).toBe(true);
  });

  test("what is stated for a day or month of the calendar is a budget", () => {
    const rules = parseLimits(
      ["tenant=* usd/calendar-month=500", "key=* tokens/calendar-day=2M"],
      "X",
    );
    expect(rules.map(({ id, amount, calendar }) => [id, amount, calendar])).toEqual([
      ["tenant=* usd/calendar-month", 500e9, "month"],
      ["key=* tokens/calendar-day", 2e6, "day"],
    ]);
    expect(parseLimits(["usd/day=5"], "X")[0]?.calendar).toBeUndefined();
  });

  test("reads a file as well: one entry a line, notes apart", () => {
    const file = "# of acme\n  tenant=acme requests/s=5\n\nkey=* concurrency=2\n";
    const ids = parseLimits([file], "WARMPATH_LIMITS").map(({ id }) => id);
    expect(ids).toEqual(["tenant=acme requests/s", "key=* concurrency"]);
  });

  test("names the word that is wrong, of every entry", () => {
    expect(faultOf("tenant=acme")).toContain("it limits nothing");
    expect(faultOf("tenants=acme requests/s=1")).toContain("tenants is not known: scopes are");
    expect(faultOf("requests=5")).toContain("requests needs a period: requests/s");
    expect(faultOf("requests/week=5")).toContain("requests/week needs a period");
    expect(faultOf("requests/s=many")).toContain('requests/s is "many", but must be a whole');
    expect(faultOf("requests/s=0")).toContain('requests/s is "0"');
    expect(faultOf("requests/s=1.5")).toContain('requests/s is "1.5"');
    expect(faultOf("usd/day=ten")).toContain("must be dollars above 0");
    expect(faultOf("concurrency=8 on-error=maybe")).toContain("must be open or closed");
    expect(faultOf("concurrency=8 slice=200%")).toContain("must be 0% to 100%");
    expect(faultOf("concurrency=8 user=")).toContain("user must be a name");
    expect(faultOf("concurrency")).toContain('"concurrency" is not of the form name=value');
    expect(faultOf("key=* requests/s=1 requests/s=2")).toContain("requests/s is given twice");
    expect(faultOf("key=* requests/s=1", "key=* requests/s=2")).toContain("is stated twice");
    const both = faultOf("requests/s=x", "tokens/min=y");
    expect(both).toContain("requests/s");
    expect(both).toContain("tokens/min");
  });
});
