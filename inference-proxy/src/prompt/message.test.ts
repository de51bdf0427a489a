import { expect, test } from "bun:test";
import { roleOf } from "./message.ts";

test("a role is found wherever the message has it, and is a plain word or nothing", () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{"role":"user","content":"x"}', "user"],
    ['{ "content" : [{"role":"tool"}] , "role" : "assistant" }', "assistant"],
    ['{"r\\u006fle":"user"}', ""],
    ['{"role":"a\r\nset-cookie: x"}', ""],
    ['{"role":"a\\nb"}', ""],
    ['{"role":1}', ""],
    [`{"role":"${"a".repeat(40)}"}`, ""],
    ['{"content":"role"}', ""],
    ["{}", ""],
    ['"user"', ""],
    ['{"role"', ""],
  ];
  for (const [text, role] of cases) {
    const bytes = new TextEncoder().encode(text);
    expect(roleOf(bytes, 0, bytes.length)).toBe(role);
  }
});
