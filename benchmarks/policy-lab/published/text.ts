import { formatNumber, formatTable } from "../../report/table.ts";
import type { Estimate } from "../aggregate.ts";
import type { PublishedResult } from "./index.ts";
import type { LlmDComparison } from "./llm-d-comparison.ts";
import { llmDSource, publishedSummary, schedulers } from "./llm-d-figures.ts";
import { differences, type Gain, lmetricSource } from "./lmetric-claims.ts";

/** Both comparisons as text for a terminal. */
export function formatPublished({ llmD, lmetric }: PublishedResult): string {
  return [
    `llm-d 2025-09, all stages (${llmDSource})`,
    llmDTable(llmD),
    "",
    `LMetric's claims (${lmetricSource}) and ours, less by`,
    lmetricTable(lmetric),
    "",
    ...differences.map((sentence, index) => wrap(`${index + 1}. ${sentence}`)),
  ].join("\n");
}

function llmDTable({ overall }: LlmDComparison): string {
  const rows = schedulers.map((scheduler) => {
    const [tokens, p90, mean] = publishedSummary[scheduler];
    const ours = overall[scheduler];
    return [
      scheduler,
      formatNumber(p90, 2),
      formatNumber(ours.p90Seconds.mean, 2),
      formatNumber(mean, 2),
      formatNumber(ours.meanSeconds.mean, 2),
      formatNumber(tokens / publishedSummary.random[0], 2),
      formatNumber(ours.tokensPerSecond.mean / overall.random.tokensPerSecond.mean, 2),
      formatNumber(100 * ours.hitRate.mean, 1),
    ];
  });
  return formatTable(
    [
      "scheduler",
      "TTFT p90 [s] published",
      "ours",
      "mean published",
      "ours",
      "tokens/s ÷ random published",
      "ours",
      "hits [%] ours",
    ],
    rows,
  );
}

function lmetricTable(gains: readonly Gain[]): string {
  const rows = gains.map(({ workload, demand, claim, ttftLess, tpotLess }) => [
    `${claim.against} (here ${claim.standIn}), ${workload}, demand ${demand}`,
    percent(claim.ttftLess),
    percentOf(ttftLess),
    percent(claim.tpotLess),
    percentOf(tpotLess),
  ]);
  return formatTable(["against", "TTFT claimed", "ours", "time per token claimed", "ours"], rows);
}

function percent(share: number): string {
  return `${formatNumber(share * 100)} %`;
}

function percentOf({ mean, halfWidth }: Estimate): string {
  if (!Number.isFinite(halfWidth)) return percent(mean);
  return `${percent(mean)} ± ${formatNumber(halfWidth * 100)}`;
}

/** Breaks a paragraph into lines for a terminal. */
function wrap(text: string): string {
  return text.replace(/(.{1,98})(?:\s+|$)/g, "$1\n").trimEnd();
}
