/** One tenant asks without a pause, many at once: the quiet one beside it keeps its promises. */
import { arrivals, plan, steadily } from "../lib/environment.ts";
import { playSession } from "../lib/play-session.ts";
import { type DefineScenario, nextSession, optionsOf } from "../lib/scenario.ts";
import { slos } from "../lib/slo.ts";
import type { CallModel } from "../lib/transports/call-model.ts";

/** Sessions of the noisy tenant at once: twice as many as fit into the batches of all replicas. */
const noisySessions = 32;

export const define: DefineScenario = (callModel) => ({
  options: optionsOf(
    {
      quiet: arrivals("play", plan.sessionsPerSecond),
      noisy: steadily("playOthers", noisySessions),
    },
    { "ttft_ms{tenant:quiet}": [`p(95)<=${slos.interactive.timeToFirstTokenMs}`] },
    { "turn_failures{tenant:quiet}": ["rate==0"] },
  ),
  play: () => playAs(callModel, "quiet", plan.key, plan.thinkSeconds * 1000),
  playOthers: () => playAs(callModel, "noisy", plan.noisyKey, 0),
});

async function playAs(
  callModel: CallModel,
  tenant: string,
  key: string,
  gapMsMax: number,
): Promise<void> {
  const { session, sessionId } = nextSession();
  await playSession(session, sessionId, {
    callModel,
    key,
    lane: "interactive",
    gapMsMax,
    tags: () => ({ tenant }),
  });
}
