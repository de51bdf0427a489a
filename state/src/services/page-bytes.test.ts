import { expect, test } from "bun:test";
import { cutToPageBytes } from "./page-bytes.ts";

const mebibyte = 1024 * 1024;

test("a page ends before it grows too large for its receiver", () => {
  const sizes = [mebibyte, mebibyte / 2, mebibyte, 1];
  expect(cutToPageBytes(sizes, (size) => size)).toEqual([mebibyte, mebibyte / 2]);
});

test("an item larger than a page goes alone, so that the list goes on", () => {
  expect(cutToPageBytes([9 * mebibyte, 1], (size) => size)).toEqual([9 * mebibyte]);
  expect(cutToPageBytes([], () => 1)).toEqual([]);
});
