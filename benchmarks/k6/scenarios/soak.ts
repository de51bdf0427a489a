/** Conversations with an agent for a long time; the runner watches the memory meanwhile. */
import { conversationBars, converse } from "../lib/converse.ts";
import { arrivals, plan } from "../lib/environment.ts";
import { type DefineScenario, optionsOf } from "../lib/scenario.ts";
import { slos } from "../lib/slo.ts";

export const define: DefineScenario = () => ({
  options: optionsOf(
    { conversations: arrivals("play", plan.sessionsPerSecond) },
    { "ttft_ms{class:interactive}": [`p(95)<=${slos.interactive.timeToFirstTokenMs}`] },
    conversationBars,
  ),
  play: () => converse(() => ({})),
});
