import { SharedArray } from "k6/data";
import type { K6Plan, PlannedSession } from "./plan.ts";

/** The plan of this run. */
export const plan: K6Plan = JSON.parse(__ENV["WARMPATH_K6_PLAN"] ?? "{}");

/** Sessions of the workload, shared by all virtual users. */
export const sessions: readonly PlannedSession[] = new SharedArray("sessions", () =>
  plan.sessionsPath === "" ? [] : JSON.parse(open(plan.sessionsPath)),
);

/**
 * An open loop: one iteration is one session, and sessions arrive at a fixed rate whether or not
 * earlier ones have ended, so a slow system gets no mercy.
 */
export function arrivals(exec: string, sessionsPerSecond: number) {
  return {
    executor: "constant-arrival-rate" as const,
    exec,
    rate: Math.max(1, Math.round(sessionsPerSecond * 60)),
    timeUnit: "1m",
    duration: `${plan.durationSeconds}s`,
    preAllocatedVUs: Math.min(plan.sessionsMax, 20),
    maxVUs: plan.sessionsMax,
    gracefulStop: "30s",
  };
}

/** A closed loop: so many sessions at once, the next one as soon as one has ended. */
export function steadily(exec: string, sessionsAtOnce: number) {
  return {
    executor: "constant-vus" as const,
    exec,
    vus: sessionsAtOnce,
    duration: `${plan.durationSeconds}s`,
    gracefulStop: "60s",
  };
}

/** What the summary keeps of each trend. */
export const trendStats = ["avg", "min", "med", "p(90)", "p(95)", "p(99)", "max", "count"];
