import { plan } from "./environment.ts";
import { summaryPage } from "./html.ts";
import { type K6Summary, serveSummary, thresholdResults } from "./serve-summary.ts";

/** k6 calls this at the end: the raw summary, the one in `vllm bench serve`'s names, and a page. */
export function handleSummary(data: K6Summary): Record<string, string> {
  const facts = serveSummary(data, {
    scenario: plan.scenario,
    requestRate: plan.sessionsPerSecond,
  });
  const page = summaryPage({
    title: `Warmpath k6: ${plan.scenario}`,
    facts,
    thresholds: thresholdResults(data),
    summary: data,
  });
  return {
    [`${plan.outFolder}/summary.json`]: JSON.stringify(data),
    [`${plan.outFolder}/serve.json`]: JSON.stringify(facts, undefined, 2),
    [`${plan.outFolder}/report.html`]: page,
  };
}
