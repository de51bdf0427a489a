import { expect, test } from "bun:test";
import { serviceTokens } from "./index.ts";

test("an answer token counts twice a prompt token", () => {
  expect(serviceTokens(100, 10)).toBe(120);
  expect(serviceTokens(0, 0)).toBe(0);
});

test("an engine that reports more cached than asked gives no credit", () => {
  expect(serviceTokens(10 - Number.MAX_SAFE_INTEGER, 5)).toBe(10);
});
