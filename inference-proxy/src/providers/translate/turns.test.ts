import { describe, expect, test } from "bun:test";
import { joinResults } from "./turns.ts";
import type { Part, Turn } from "./types.ts";

const result = (callId: string): Part => ({
  kind: "tool-result",
  callId,
  content: [],
  isError: false,
  cache: undefined,
});
const text = (words: string): Part => ({ kind: "text", text: words });
const user = (...parts: readonly Part[]): Turn => ({ role: "user", parts });
const assistant: Turn = { role: "assistant", parts: [text("a")] };

describe("joinResults()", () => {
  test("puts the results of a step before what the user says, and joins nothing else", () => {
    const turns = [
      user(text("1")),
      user(result("x")),
      user(text("2")),
      user(result("y"), text("3")),
      assistant,
      user(text("4"), result("z")),
      assistant,
    ];
    expect(joinResults(turns)).toEqual([
      user(text("1")),
      user(result("x"), result("y"), text("2"), text("3")),
      assistant,
      user(text("4"), result("z")),
      assistant,
    ]);
  });

  test("takes no longer than it must for a hundred thousand of them", () => {
    const turns = Array.from({ length: 100_000 }, (_, index) => user(result(String(index))));
    expect(joinResults(turns)[0]?.parts.length).toBe(100_000);
  });
});
