import { expect, test } from "bun:test";
import { windowAt } from "./calendar.ts";

const at = (text: string) => Date.parse(text);

test("windowAt() names days and months of UTC, and says what is left of them", () => {
  expect(windowAt("day", at("2026-11-21T23:59:59.500Z"))).toEqual({
    name: "2026-11-21",
    leftMs: 500,
  });
  expect(windowAt("day", at("2026-11-22T00:00:00Z")).name).toBe("2026-11-22");
  expect(windowAt("month", at("2026-12-31T23:00:00Z"))).toEqual({
    name: "2026-12",
    leftMs: 3_600_000,
  });
  expect(windowAt("month", at("2028-02-01T00:00:00Z")).leftMs).toBe(29 * 86_400_000);
});
