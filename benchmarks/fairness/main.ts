/**
 * `npm run bench:fairness`: what tenants get of a fleet that is too small for all they ask.
 * Progress goes to stderr, the report to stdout; the status is 1 when a bar is missed.
 */
import { exitCodeOf, formatBars } from "../report/bars.ts";
import { readSize } from "../report/flags.ts";
import { formatReport, saveReport } from "../report/report.ts";
import { runFairness } from "./fairness.ts";
import { fullPlan, quickPlan, tinyPlan } from "./plan.ts";

const help = `npm run bench:fairness -- [flags]

  What tenants get of a fleet that is too small for all they ask: two backlogged ones with calls, answers and
  connections unlike each other, and a light one beside a noisy neighbour. Virtual time; a minute.

  --quick   a quarter of that
  --tiny    seconds; shows only that the bench works, and holds no bar
  --json    the bars as JSON lines on stdout instead of tables
  --help    this text

Figures are kept in benchmarks/results/local/. The status is 1 when a bar is missed.
`;

const { plan, isTiny, json } = readSize("fairness", help, {
  full: fullPlan,
  quick: quickPlan,
  tiny: tinyPlan,
});
const { report, bars } = runFairness(plan, {
  onProgress: (text) => void process.stderr.write(`fairness: ${text}\n`),
});
const path = saveReport(report, new Date());
if (!json) process.stdout.write(`${formatReport(report)}\n\n`);
const held = isTiny ? [] : bars;
if (held.length > 0) process.stdout.write(`${formatBars(held, { json })}\n`);
process.stderr.write(`fairness: kept in ${path}\n`);
process.exit(exitCodeOf(held));
