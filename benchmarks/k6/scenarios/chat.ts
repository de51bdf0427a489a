/** People chatting with a model through the proxy: no agent, several turns, pauses between. */
import { arrivals, plan } from "../lib/environment.ts";
import { playSession } from "../lib/play-session.ts";
import { type DefineScenario, nextSession, optionsOf } from "../lib/scenario.ts";
import { thresholdsOf } from "../lib/slo.ts";

export const define: DefineScenario = (callModel) => ({
  options: optionsOf(
    { chats: arrivals("play", plan.sessionsPerSecond) },
    thresholdsOf("interactive"),
  ),
  async play() {
    const { session, sessionId } = nextSession();
    await playSession(session, sessionId, {
      callModel,
      key: plan.key,
      lane: "interactive",
      gapMsMax: plan.thinkSeconds * 1000,
    });
  },
});
