/**
 * `npm run bench:engine-validate`: the engine model beside measured vLLM, and its speed. Progress
 * goes to stderr, the report or the bars to stdout; the status is 1 when a bar is missed, 2 for a
 * wrong call.
 */
import { exitCodeOf, formatBars } from "../../report/bars.ts";
import { readFlags } from "../../report/flags.ts";
import { formatReport, saveReport } from "../../report/report.ts";
import { fullPlan, quickPlan, tinyPlan, validate } from "./validate.ts";

const help = `npm run bench:engine-validate -- [flags]

  --quick    three seeds instead of ten
  --tiny     one seed, a second or two; its p99 figures are noise
  --json     one JSON line a bar on stdout instead of tables
  --help     this text

Raw rounds are kept in benchmarks/results/local/.
`;

const values = readFlags("bench:engine-validate", {
  options: {
    quick: { type: "boolean" },
    tiny: { type: "boolean" },
    json: { type: "boolean" },
    help: { type: "boolean" },
  },
}).values;
if (values.help === true) {
  process.stdout.write(help);
} else {
  const plan = values.tiny === true ? tinyPlan : values.quick === true ? quickPlan : fullPlan;
  const onProgress = (text: string) => process.stderr.write(`engine-validate: ${text}\n`);
  const { report, bars } = validate(plan, onProgress);
  const path = saveReport(report, new Date());
  const asJson = values.json === true;
  if (!asJson) process.stdout.write(`${formatReport(report)}\n\n`);
  process.stdout.write(`${formatBars(bars, { json: asJson })}\n`);
  onProgress(`raw rounds: ${path}`);
  process.exitCode = exitCodeOf(bars);
}
