import type { LivePlan } from "./live.ts";

/** 200 turns: one that is foretold wrong is half a percent. */
const sessions = { sessions: 20, turns: 10, concurrent: 4, seed: 1 };

/** Everything, engines that die included. */
export const fullPlan: LivePlan = { sessions, faults: "all" };

/** What the engines survive: they are started once. */
export const quickPlan: LivePlan = { sessions, faults: "mild" };

/** Seconds before simulated engines. */
export const tinyPlan: LivePlan = {
  sessions: { sessions: 6, turns: 4, concurrent: 2, seed: 1 },
  faults: "none",
};
