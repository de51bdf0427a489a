/** A batch that wants all there is, and people who chat meanwhile: they keep their promises. */
import { arrivals, plan, steadily } from "../lib/environment.ts";
import { playSession } from "../lib/play-session.ts";
import { type DefineScenario, nextSession, optionsOf } from "../lib/scenario.ts";
import { thresholdsOf } from "../lib/slo.ts";

/** Batch jobs under way at once: more than fit into the batches of all replicas. */
const batchJobs = 24;

export const define: DefineScenario = (callModel) => ({
  options: optionsOf(
    {
      chats: arrivals("play", plan.sessionsPerSecond),
      batch: steadily("playOthers", batchJobs),
    },
    thresholdsOf("interactive"),
  ),
  async play() {
    const { session, sessionId } = nextSession("interactive");
    const gapMsMax = plan.thinkSeconds * 1000;
    await playSession(session, sessionId, {
      callModel,
      key: plan.key,
      lane: "interactive",
      gapMsMax,
    });
  },
  async playOthers() {
    const { session, sessionId } = nextSession("batch");
    await playSession(session, sessionId, { callModel, key: plan.key, lane: "batch", gapMsMax: 0 });
  },
});
