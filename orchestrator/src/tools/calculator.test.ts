import { describe, expect, test } from "bun:test";
import { calculate } from "./calculator.ts";

function resultOf(expression: string): string | undefined {
  const answer = calculate(expression);
  return answer.outcome === "done" ? JSON.parse(answer.content).result : undefined;
}

describe("calculator", () => {
  test.each([
    ["12345 * 678", "8369910"],
    ["12345*678", "8369910"],
    ["0.1 + 0.2", "0.3"],
    ["2^10", "1024"],
    ["10 % 3", "1"],
    ["sqrt(16) + abs(-3)", "7"],
    ["5!", "120"],
    ["(1 + 2) * 3 - 4 / 2", "7"],
    ["max(1, 7, 3)", "7"],
    ["12 × 12 ÷ 4", "36"],
    ["99999999999 * 99999999999", "9999999999800000000001"],
    ["1/4", "0.25"],
  ])("%s is %s", (expression, result) => {
    expect(resultOf(expression)).toBe(result);
  });

  test.each([
    "f(x) = x",
    "a = 3",
    'import("fs")',
    'evaluate("1+1")',
    "parse(1)",
    "2 cm + 3 inch",
    "1:100000000",
    "[1, 2, 3]",
    "zeros(10000, 10000)",
    '"text"',
    "sqrt.constructor",
    "cos.constructor(1)",
    "1; 2",
    "99999!",
    "9^9^9",
    "9^99999999",
    "factorial(100000)",
    "1/0",
    "sqrt(-1)",
    "random()",
    "2 +",
    "x + 1",
    "true",
    `1${"+1".repeat(300)}`,
    "1".repeat(5000),
    "(".repeat(400),
  ])("refuses %p with a sentence and at once", (expression) => {
    const started = performance.now();
    const answer = calculate(expression);
    expect(answer.outcome).toBe("failed");
    expect(answer.content.length).toBeGreaterThan(10);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
