/**
 * `npm run bench:cores`: several proxies on one port. Progress goes to stderr, the report to
 * stdout; the status is 1 when a request failed.
 */
import { readSize } from "../report/flags.ts";
import { formatReport, saveReport } from "../report/report.ts";
import { fullPlan, quickPlan, runCores, tinyPlan } from "./cores.ts";

const help = `npm run bench:cores -- [flags]

  Requests a second through one port that one proxy process, or two, listen on (reusePort). About two minutes.

  --quick   one minute; too noisy to quote
  --tiny    seconds; shows only that the bench works
  --json    one JSON line a figure on stdout instead of tables
  --help    this text

Raw rounds are kept in benchmarks/results/local/.
`;

const { plan, json } = readSize("cores", help, {
  full: fullPlan,
  quick: quickPlan,
  tiny: tinyPlan,
});
const report = await runCores(plan, (text) => void process.stderr.write(`cores: ${text}\n`));
const path = saveReport(report, new Date());
process.stdout.write(
  json
    ? `${report.figures.map((figure) => JSON.stringify(figure)).join("\n")}\n`
    : `${formatReport(report)}\n`,
);
process.stderr.write(`cores: kept in ${path}\n`);
const failed = report.rounds.some((round) => (round as { failures: number }).failures > 0);
process.exit(failed ? 1 : 0);
