/**
 * `npm run bench:lab`: placement policies over a simulated fleet, in virtual time. Progress goes to
 * stderr, tables or bars to stdout, the report and the cells to a folder.
 */
import { join, relative } from "node:path";
import { messageOf } from "@warmpath/runtime/base";
import { type Bar, exitCodeOf, formatBars } from "../report/bars.ts";
import { formatMachine } from "../report/machine.ts";
import { help, type LabOptions, parseLabOptions, UsageError } from "./cli/options.ts";
import { createProgress, formatSeconds, type Progress } from "./cli/progress.ts";
import { formatSummary } from "./cli/summary.ts";
import type { GridPlan } from "./grid/plans.ts";
import { formatPublished, runPublished, writePublished } from "./published/index.ts";
import { writeReport } from "./report/write-report.ts";
import type { LabResult } from "./result.ts";
import { runLab } from "./run-lab.ts";

/** Of the default grid on two cores. */
const gridMinutesMax = 15;
/** As shells report a program that Ctrl-C ended. */
const stoppedStatus = 130;
const resultsFolder = join(import.meta.dir, "../results/local");

if (import.meta.main) process.exit(await main(process.argv.slice(2)));

async function main(argv: readonly string[]): Promise<number> {
  let options: LabOptions;
  try {
    options = parseLabOptions(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`policy-lab: ${error.message}\n`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(help);
    return 0;
  }
  try {
    return await runAll(options, argv);
  } catch (error) {
    process.stderr.write(`\npolicy-lab: ${messageOf(error)}\n`);
    return 1;
  }
}

/** The grid, then the published comparison; each writes its report when it is done. */
async function runAll(options: LabOptions, argv: readonly string[]): Promise<number> {
  const out = options.out ?? join(resultsFolder, `policy-lab-${options.outName}`);
  const bars: Bar[] = [];
  if (options.plan !== undefined) {
    const result = await runGrid(options.plan, options, argv, out);
    bars.push(...result.bars);
    if (!options.json) process.stdout.write(`${headerOf(result)}\n\n${formatSummary(result)}\n\n`);
    if (result.missingCells > 0) {
      process.stdout.write(`${formatBars(bars, options)}\n`);
      const missing = `${result.missingCells} cells are missing, --resume goes on`;
      process.stderr.write(`policy-lab: stopped; ${missing}\n`);
      return stoppedStatus;
    }
  }
  if (options.published !== undefined) {
    const published = runPublished(options.published, (line) =>
      process.stderr.write(`policy-lab: ${line}\n`),
    );
    bars.push(...published.bars);
    tellReport(writePublished(published, join(out, "published.html")).html);
    if (!options.json) process.stdout.write(`${formatPublished(published)}\n\n`);
  }
  process.stdout.write(`${formatBars(bars, options)}\n`);
  return exitCodeOf(bars);
}

/** Runs the plan's cells; Ctrl-C ends it with what is finished. */
async function runGrid(
  plan: GridPlan,
  options: LabOptions,
  argv: readonly string[],
  out: string,
): Promise<LabResult> {
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  let progress: Progress | undefined;
  try {
    const result = await runLab({
      plan,
      command: ["npm run bench:lab --", ...argv].join(" "),
      out,
      resume: options.resume,
      workers: options.workers,
      tracePath: options.tracePath,
      signal: stopped.signal,
      ...(options.isDefaultGrid ? { minutesMax: gridMinutesMax } : {}),
      onStart: (cells, reused) => {
        const from = reused === 0 ? "" : `, ${reused} kept from an earlier run`;
        process.stderr.write(`policy-lab: ${plan.title}, ${cells} cells to run${from}\n`);
        progress = createProgress({
          total: cells,
          out: process.stderr,
          nowMs: () => performance.now(),
        });
      },
      onResult: ({ spec }) => progress?.step(spec),
    });
    progress?.end();
    const took = formatSeconds(result.wallSeconds);
    process.stderr.write(`policy-lab: ${result.cells.length} cells in ${took}\n`);
    tellReport(writeReport(result, join(out, "report.html")).html);
    return result;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

function tellReport(path: string): void {
  process.stderr.write(`policy-lab: report: ${relative(process.cwd(), path)}\n`);
}

function headerOf({ title, machine, workers }: LabResult): string {
  return `${title}: ${formatMachine(machine)}; ${workers} processes`;
}
