/**
 * `npm run bench:decision`: what a decision costs the proxy. Progress goes to stderr, the report to
 * stdout; the status is 1 when a bar is missed.
 */
import { exitCodeOf, formatBars } from "../report/bars.ts";
import { readSize } from "../report/flags.ts";
import { formatReport, saveReport } from "../report/report.ts";
import { fullPlan, quickPlan, runDecision, tinyPlan } from "./decision.ts";

const help = `npm run bench:decision -- [flags]

  Time that the proxy needs to know what a prompt is: cold and for a known session, at 1 to 280 KB, for prompts of
  many messages and for source text; then whole decisions, placed and booked among 8, 64 and 512 replicas.
  About two minutes.

  --quick   half a minute
  --tiny    a second; shows only that the bench works, and holds no bar
  --json    the bars as JSON lines on stdout instead of tables
  --help    this text

Raw rounds are kept in benchmarks/results/local/. The status is 1 when a bar is missed.
`;

const { plan, json } = readSize("decision", help, {
  full: fullPlan,
  quick: quickPlan,
  tiny: tinyPlan,
});
const { report, bars } = runDecision(plan, {
  onProgress: (text) => void process.stderr.write(`decision: ${text}\n`),
});
const path = saveReport(report, new Date());
if (!json) process.stdout.write(`${formatReport(report)}\n\n`);
if (bars.length > 0) process.stdout.write(`${formatBars(bars, { json })}\n`);
process.stderr.write(`decision: kept in ${path}\n`);
process.exit(exitCodeOf(bars));
