/**
 * `npm run bench:lab`: placement policies over a simulated fleet, in virtual time. Progress goes to
 * stderr, tables or bars to stdout, the report and the cells to a folder.
 */
import { join, relative } from "node:path";
import { messageOf } from "@warmpath/runtime/base";
import { exitCodeOf, formatBars } from "../report/bars.ts";
import { formatMachine } from "../report/machine.ts";
import { help, type LabOptions, parseLabOptions, UsageError } from "./cli/options.ts";
import { createProgress, formatSeconds, type Progress } from "./cli/progress.ts";
import { formatSummary } from "./cli/summary.ts";
import { writeReport } from "./report/write-report.ts";
import type { LabResult } from "./result.ts";
import { runLab } from "./run-lab.ts";

/** Of the issue: the default grid on two cores. */
const gridMinutesMax = 15;
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
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    return await runAndReport(options, argv, stopped.signal);
  } catch (error) {
    process.stderr.write(`\npolicy-lab: ${messageOf(error)}\n`);
    return 1;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

async function runAndReport(
  options: LabOptions,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const out = options.out ?? join(resultsFolder, `policy-lab-${options.outName}`);
  let progress: Progress | undefined;
  const result = await runLab({
    plan: options.plan,
    command: ["npm run bench:lab --", ...argv].join(" "),
    out,
    resume: options.resume,
    workers: options.workers,
    tracePath: options.tracePath,
    signal,
    ...(options.isDefaultGrid ? { minutesMax: gridMinutesMax } : {}),
    onStart: (cells, reused) => {
      const from = reused === 0 ? "" : `, ${reused} kept from an earlier run`;
      process.stderr.write(`policy-lab: ${options.plan.title}, ${cells} cells to run${from}\n`);
      progress = createProgress({
        total: cells,
        out: process.stderr,
        nowMs: () => performance.now(),
      });
    },
    onResult: ({ spec }) => progress?.step(spec),
  });
  progress?.end();
  const files = writeReport(result, join(out, "report.html"));
  print(result, options);
  process.stderr.write(
    `policy-lab: ${result.cells.length} cells in ${formatSeconds(result.wallSeconds)}; ` +
      `report: ${relative(process.cwd(), files.html)}\n`,
  );
  if (result.missingCells === 0) return exitCodeOf(result.bars);
  process.stderr.write(
    `policy-lab: stopped; ${result.missingCells} cells are missing, --resume goes on\n`,
  );
  // As shells report a program that Ctrl-C ended.
  return 130;
}

function print(result: LabResult, { json }: LabOptions): void {
  const bars = formatBars(result.bars, { json });
  if (json) {
    process.stdout.write(`${bars}\n`);
    return;
  }
  const { title, machine, workers } = result;
  process.stdout.write(
    `${title}: ${formatMachine(machine)}; ${workers} processes\n\n` +
      `${formatSummary(result)}\n\n${bars}\n`,
  );
}
