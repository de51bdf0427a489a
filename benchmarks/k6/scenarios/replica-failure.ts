/**
 * A replica is killed under load and comes back. An agent's turns all end well, because a run
 * outlives its model calls; bare model calls fail only where the dead replica had begun to answer.
 */
import exec from "k6/execution";
import { converse } from "../lib/converse.ts";
import { arrivals, plan } from "../lib/environment.ts";
import { playSession } from "../lib/play-session.ts";
import { type DefineScenario, nextSession, optionsOf } from "../lib/scenario.ts";

/** Calls begun up to here before the kill may have been on the replica; longer ones are rare. */
const mayHaveBegunSeconds = 15;
/** The proxy has noticed by then, whatever it was doing. */
const noticedSeconds = 3;

export const define: DefineScenario = (callModel) => ({
  options: optionsOf(
    {
      agents: arrivals("play", plan.sessionsPerSecond),
      calls: arrivals("playOthers", plan.sessionsPerSecond),
    },
    {},
    {
      "turn_failures{caller:agent}": ["rate==0"],
      "turn_failures{caller:model,phase:apart}": ["rate==0"],
      checks: ["rate==1"],
    },
  ),
  play: () => converse(() => ({ caller: "agent" })),
  async playOthers() {
    const { session, sessionId } = nextSession();
    await playSession(session, sessionId, {
      callModel,
      key: plan.key,
      lane: "standard",
      gapMsMax: plan.thinkSeconds * 1000,
      tags: () => ({ caller: "model", phase: phaseNow() }),
    });
  },
});

/** Whether a call begun now may meet the kill. */
function phaseNow(): "near" | "apart" {
  const seconds = exec.instance.currentTestRunDuration / 1000;
  const isNear =
    seconds > plan.killAfterSeconds - mayHaveBegunSeconds &&
    seconds < plan.killAfterSeconds + noticedSeconds;
  return isNear ? "near" : "apart";
}
