/** Which replicas are left alone for a while, and how much is tried again. */
export { type Breakers, createBreakers } from "./breakers.ts";
export { createRetryBudget, type RetryBudget, type RetryBudgetLimits } from "./retry-budget.ts";
export type { BreakerLimits, BreakerState, BreakerView, Failure, Outcome } from "./types.ts";
