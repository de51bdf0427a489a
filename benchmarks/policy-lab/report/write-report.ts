import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Estimate, estimateOf, metrics, rowsOf } from "../aggregate.ts";
import type { CellSpec, LabResult } from "../result.ts";
import { reportPage } from "./page.ts";

/** Where a report was written. */
export interface ReportFiles {
  readonly html: string;
  readonly json: string;
}

/** One policy at one point of the grid: every metric over its seeds. */
interface SummaryRow {
  readonly spec: Omit<CellSpec, "seed">;
  readonly metrics: Readonly<Record<string, Estimate>>;
}

/**
 * Writes the run as one HTML page to `path` (its folder is made), and beside it, with the ending
 * `.json`, the run itself with a summary: each metric's mean and half of its 95 % interval.
 */
export function writeReport(run: LabResult, path: string): ReportFiles {
  const files = { html: path, json: path.replace(/(\.html?)?$/, ".json") };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(files.html, reportPage(run));
  writeFileSync(files.json, `${JSON.stringify({ summary: summaryOf(run), ...run })}\n`);
  return files;
}

function summaryOf({ cells }: LabResult): readonly SummaryRow[] {
  return rowsOf(cells).map((row) => ({
    spec: row.spec,
    metrics: Object.fromEntries(
      Object.entries(metrics).map(([name, metric]) => [name, estimateOf(row, metric)]),
    ),
  }));
}
