import exec from "k6/execution";
import { Counter } from "k6/metrics";
import type { Options } from "k6/options";
import { plan, sessions, trendStats } from "./environment.ts";
import type { PlannedSession } from "./plan.ts";
import type { CallModel } from "./transports/call-model.ts";

/** Sessions that ended with an exception, a connection that could not be made for one. */
const brokenSessions = new Counter("broken_sessions");

/** What a scenario file defines; the runner's entry file exports it to k6. */
export interface Scenario {
  readonly options: Options;
  /** The callers that the scenario is about. */
  play(): Promise<void>;
  /** Others beside them, where there are any. */
  playOthers?(): Promise<void>;
}

/** Makes a scenario for the way in which model calls are made here. */
export type DefineScenario = (callModel: CallModel) => Scenario;

/**
 * Counts a session that throws: k6 only prints the exception, and a system that is gone would look
 * like one that nobody asked.
 */
export function guarded(play: () => Promise<void>): () => Promise<void> {
  return async () => {
    try {
      await play();
    } catch (error) {
      brokenSessions.add(1);
      throw error;
    }
  };
}

/** k6's options, with what holds for every scenario: a turn ends, nothing fails or is dropped. */
export function optionsOf(
  scenarios: NonNullable<Options["scenarios"]>,
  latency: Readonly<Record<string, readonly string[]>>,
  others: Readonly<Record<string, readonly string[]>> = { turn_failures: ["rate==0"] },
): Options {
  const thresholds = {
    ...(plan.withLatencyBars ? latency : {}),
    ...others,
    ended_turns: ["count>=1"],
    broken_sessions: ["count==0"],
    dropped_iterations: ["count==0"],
  };
  return {
    scenarios,
    thresholds: Object.fromEntries(
      Object.entries(thresholds).map(([metric, bars]) => [metric, [...bars]]),
    ),
    summaryTrendStats: [...trendStats],
  };
}

/** The planned session of this iteration, of one class, and an id that no other one has. */
export function nextSession(sloClass?: PlannedSession["sloClass"]): {
  readonly session: PlannedSession;
  readonly sessionId: string;
} {
  const fitting =
    sloClass === undefined ? sessions : sessions.filter((each) => each.sloClass === sloClass);
  const { iterationInTest, name } = exec.scenario;
  const session = fitting[iterationInTest % fitting.length];
  if (session === undefined) throw new Error("the plan holds no session for this scenario");
  return { session, sessionId: `${name}-${iterationInTest}` };
}
