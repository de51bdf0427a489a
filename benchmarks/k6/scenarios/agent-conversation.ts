/** People talking with an agent: three turns of one conversation, with tools and pauses. */

import { conversationBars, converse } from "../lib/converse.ts";
import { arrivals, plan } from "../lib/environment.ts";
import { type DefineScenario, optionsOf } from "../lib/scenario.ts";
import { slos } from "../lib/slo.ts";

export const define: DefineScenario = () => ({
  options: optionsOf(
    { conversations: arrivals("play", plan.sessionsPerSecond) },
    {
      "ttft_ms{class:interactive}": [`p(95)<=${slos.interactive.timeToFirstTokenMs}`],
      "tpot_ms{class:interactive}": [`p(95)<=${slos.interactive.interTokenMs}`],
      "turn_latency_ms{turn:tools}": ["p(95)<=5000"],
    },
    conversationBars,
  ),
  play: () => converse(() => ({})),
});
