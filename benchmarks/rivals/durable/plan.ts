/** Sizes of one run of the bench. */
export interface DurablePlan {
  readonly rounds: number;
  /** Tasks under way at once, one level after the other on the same started system. */
  readonly levels: readonly number[];
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly tasksMax: number;
}

/** The sizes that figures are quoted from. */
export const fullPlan: DurablePlan = {
  rounds: 4,
  levels: [1, 8, 32, 128],
  warmupMs: 3_000,
  durationMs: 8_000,
  tasksMax: 100_000,
};

/** Two minutes; its figures are too noisy to quote. */
export const quickPlan: DurablePlan = {
  ...fullPlan,
  rounds: 1,
  levels: [1, 32],
  warmupMs: 1_000,
  durationMs: 3_000,
};

/** Enough to see that nothing is broken. */
export const tinyPlan: DurablePlan = {
  rounds: 1,
  levels: [2],
  warmupMs: 0,
  durationMs: 20_000,
  tasksMax: 4,
};
