import type { Reasoning } from "./types.ts";

/*
 * How much to think, told as an effort by OpenAI and as a budget of tokens by others. The steps
 * between the two are ours: each effort stands for a budget of about twice the one before it.
 */

const budgets: readonly (readonly [effort: string, budgetTokens: number])[] = [
  ["minimal", 1024],
  ["low", 2048],
  ["medium", 8192],
  ["high", 16_384],
  ["xhigh", 32_768],
  ["max", 65_536],
];

/** OpenAI's word; undefined where nothing was said. */
export function effortOf(reasoning: Reasoning | undefined): string | undefined {
  if (reasoning === undefined) {
    return undefined;
  }
  if (!reasoning.isOn) {
    return "none";
  }
  const { effort, budgetTokens } = reasoning;
  return effort ?? (budgetTokens === undefined ? undefined : effortOfBudget(budgetTokens));
}

function effortOfBudget(budgetTokens: number): string {
  return budgets.findLast(([, from]) => from <= budgetTokens)?.[0] ?? "minimal";
}

/** A budget in tokens; undefined leaves it to the model. */
export function budgetOf(reasoning: Reasoning): number | undefined {
  const { budgetTokens, effort } = reasoning;
  return budgetTokens ?? budgets.find(([word]) => word === effort)?.[1];
}
