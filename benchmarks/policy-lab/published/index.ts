import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Bar } from "../../report/bars.ts";
import { type MachineFacts, machineFacts } from "../../report/machine.ts";
import type { ReportFiles } from "../report/write-report.ts";
import {
  compareWithLlmD,
  fullSize,
  type LlmDComparison,
  type LlmDSize,
  tinySize,
} from "./llm-d-comparison.ts";
import {
  compareWithLMetric,
  type Gain,
  type LMetricSize,
  lmetricFull,
  lmetricTiny,
} from "./lmetric-claims.ts";
import { publishedPage } from "./page.ts";

export { formatPublished } from "./text.ts";

/** Ours beside what others published. */
export interface PublishedResult {
  /** ISO 8601. */
  readonly at: string;
  readonly machine: MachineFacts;
  readonly llmD: LlmDComparison;
  readonly lmetric: readonly Gain[];
  readonly bars: readonly Bar[];
  readonly wallSeconds: number;
}

/** `full`: about two minutes on one core. `quick`: fewer seeds. `tiny`: a second or two. */
export type PublishedSize = "full" | "quick" | "tiny";

const sizes: Readonly<Record<PublishedSize, { llmD: LlmDSize; lmetric: LMetricSize }>> = {
  full: { llmD: fullSize, lmetric: lmetricFull },
  quick: { llmD: { ...fullSize, seeds: 1 }, lmetric: { ...lmetricFull, seeds: 1 } },
  tiny: { llmD: tinySize, lmetric: lmetricTiny },
};

/** Runs both comparisons in this process; `progress` gets a line before each part. */
export function runPublished(
  size: PublishedSize,
  progress: (line: string) => void,
): PublishedResult {
  const startedMs = performance.now();
  const llmD = compareWithLlmD(sizes[size].llmD, progress);
  const lmetric = compareWithLMetric(sizes[size].lmetric, progress);
  return {
    at: new Date().toISOString(),
    machine: machineFacts(),
    llmD,
    lmetric,
    bars: llmD.bars,
    wallSeconds: (performance.now() - startedMs) / 1000,
  };
}

/** Writes the result as one HTML page to `path`, and as JSON beside it. */
export function writePublished(result: PublishedResult, path: string): ReportFiles {
  const files = { html: path, json: path.replace(/(\.html?)?$/, ".json") };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(files.html, publishedPage(result));
  writeFileSync(files.json, `${JSON.stringify(result)}\n`);
  return files;
}
