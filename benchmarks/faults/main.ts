/**
 * `npm run bench:faults`: replicas are killed, hung, slowed and restarted under load. Progress goes
 * to stderr, bars to stdout; the status is 1 when a bar is missed.
 */
import { messageOf } from "@warmpath/runtime/base";
import { exitCodeOf, formatBars } from "../report/bars.ts";
import { readFlags } from "../report/flags.ts";
import { machineFacts } from "../report/machine.ts";
import { formatReport, saveReport } from "../report/report.ts";
import { reportOf } from "./report.ts";
import { fullPlan, quickPlan, runSoak, tinyPlan } from "./soak.ts";

const help = `npm run bench:faults -- [flags]

  --quick    short faults and a short grace: half a minute instead of three
  --tiny     as quick, smaller still: shows only that it works
  --only T   only the faults whose name has this text
  --json     one JSON line a bar on stdout instead of text
  --help     this text

Raw results are kept in benchmarks/results/local/. Status: 0 all bars held, 1 one missed or
something failed, 2 a wrong flag.
`;

const say = (text: string) => process.stderr.write(`faults: ${text}\n`);
for (const name of ["SIGINT", "SIGTERM"] as const) {
  // What was started is killed on the way out.
  process.once(name, () => process.exit(1));
}

try {
  process.exitCode = await main();
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
}
// A socket of a replica that was killed must not keep us.
process.exit();

async function main(): Promise<number> {
  const { values } = readFlags("bench:faults", {
    options: {
      quick: { type: "boolean" },
      tiny: { type: "boolean" },
      only: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const sized = values.tiny === true ? tinyPlan : values.quick === true ? quickPlan : fullPlan;
  const only = values.only ?? "";
  const plan = { ...sized, faults: sized.faults.filter(({ name }) => name.includes(only)) };
  if (plan.faults.length === 0) {
    throw new Error(`no fault has "${only}" in its name`);
  }
  const result = await runSoak(plan, { onProgress: say });
  const report = reportOf(plan, result, machineFacts());
  say(`raw results: ${saveReport(report, new Date())}`);
  const json = values.json === true;
  if (!json) process.stdout.write(`${formatReport(report)}\n\n`);
  process.stdout.write(`${formatBars(result.bars, { json })}\n`);
  return exitCodeOf(result.bars);
}
