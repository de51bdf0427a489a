import type { Random } from "@warmpath/runtime/base";
import { type LogNormal, logNormal, weighted } from "./samplers.ts";

/** A tool, by its usual latency and how often it is called. */
interface Tool {
  readonly name: string;
  readonly share: number;
  readonly medianMs: number;
  readonly sigma: number;
}

/**
 * Names are ours: traces give one distribution over all tools. Fast, ordinary and slow kinds, as a
 * coding agent has them.
 */
const tools: readonly Tool[] = [
  { name: "read_file", share: 0.34, medianMs: 40, sigma: 1 },
  { name: "search", share: 0.22, medianMs: 150, sigma: 1.2 },
  { name: "edit_file", share: 0.16, medianMs: 80, sigma: 1 },
  { name: "web_fetch", share: 0.08, medianMs: 1_200, sigma: 0.9 },
  { name: "run_tests", share: 0.12, medianMs: 9_000, sigma: 1.2 },
  { name: "build", share: 0.08, medianMs: 60_000, sigma: 1.4 },
];

/** One call of a tool. */
export interface ToolCall {
  readonly toolName: string;
  readonly latencyMs: number;
}

/**
 * Draws a latency from the overall distribution and then a tool that is likely to have taken it
 * (Bayes' rule over the table above), so that the mixture is exactly the overall distribution and
 * each name still has a latency of its own that can be learned.
 */
export function callTool(random: Random, overall: LogNormal): ToolCall {
  const latencyMs = logNormal(random, overall);
  const tool = weighted(tools.map((each) => each.share * likelihood(each, latencyMs)))(random);
  return { toolName: tools[tool]?.name ?? "", latencyMs };
}

/** Density of the tool's lognormal, up to a factor that all tools have. */
function likelihood({ medianMs, sigma }: Tool, latencyMs: number): number {
  const z = Math.log(latencyMs / medianMs) / sigma;
  return Math.exp(-0.5 * z * z) / sigma;
}
