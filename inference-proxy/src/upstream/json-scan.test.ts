import { describe, expect, test } from "bun:test";
import { seededRandom } from "@warmpath/runtime/base";
import { endOfString, endOfValue } from "./json-scan.ts";

describe("endOfString()", () => {
  test("ends where a parser would, among quotes and backslashes in any number", () => {
    const random = seededRandom("strings");
    const pieces = ["\\", '"', "a", "é", "\n", "\\\\", '\\"'];
    for (let round = 0; round < 500; round += 1) {
      const count = Math.floor(random.next() * 12);
      const text = Array.from(
        { length: count },
        () => pieces[Math.floor(random.next() * pieces.length)],
      ).join("");
      const json = JSON.stringify(text);
      const bytes = new TextEncoder().encode(`[1,${json},"next"]`);
      const end = endOfString(bytes, 3);
      expect(new TextDecoder().decode(bytes.subarray(3, end))).toBe(json);
      expect(endOfValue(bytes, 0)).toBe(bytes.length);
    }
  });

  test("ends with the bytes where nothing closes it", () => {
    const bytes = new TextEncoder().encode('"open \\"');
    expect(endOfString(bytes, 0)).toBe(bytes.length);
  });
});
