/**
 * `npm run bench:k6 -- <scenario>`: finds or builds k6, boots the system under test, runs the
 * scenario, reports, stops. The status is 0 when every threshold held, or when k6 cannot be had
 * here, which is said; 1 when a threshold broke.
 */
import { parseArgs } from "node:util";
import { formatReport, saveReport } from "../report/report.ts";
import { findK6 } from "./find-k6.ts";
import { runScenario, type ScenarioPlan } from "./run-scenario.ts";

const scenarios = ["agent-conversation"];
const help = `npm run bench:k6 -- <scenario> [flags]

  agent-conversation   sessions of three turns with tools and thinking, arriving at a fixed rate

  --duration SECONDS   how long sessions arrive (default 30, at most 3600)
  --rate N             sessions a second (default 2, at most 100)
  --think SECONDS      mean pause between turns (default 1)
  --replicas N         simulated replicas (default 3)
  --json               one JSON line a figure instead of the table
  --help               this text

k6 is taken from $K6_BIN, else from the PATH, else built once from its pinned Go module.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    duration: { type: "string", default: "30" },
    rate: { type: "string", default: "2" },
    think: { type: "string", default: "1" },
    replicas: { type: "string", default: "3" },
    json: { type: "boolean" },
    help: { type: "boolean" },
  },
});
const scenario = positionals[0];
if (values.help === true || scenario === undefined || !scenarios.includes(scenario)) {
  process.stdout.write(help);
  process.exit(values.help === true ? 0 : 2);
}
const plan: ScenarioPlan = {
  scenario,
  durationSeconds: numberOf("duration", values.duration, 1, 3600),
  sessionsPerSecond: numberOf("rate", values.rate, 0.05, 100),
  sessionsMax: 500,
  thinkSeconds: numberOf("think", values.think, 0, 60),
  replicas: numberOf("replicas", values.replicas, 1, 32),
};
const k6 = await findK6({ mayBuild: true });
if ("absent" in k6) {
  process.stdout.write(`${scenario}: ${k6.absent}\n`);
  process.exit(0);
}
process.stderr.write(`k6: ${k6.path} (${k6.origin})\n`);
const { report, ok } = await runScenario(k6, plan, (text) => process.stderr.write(`k6: ${text}\n`));
const path = saveReport(report, new Date());
if (values.json === true) {
  for (const figure of report.figures) process.stdout.write(`${JSON.stringify(figure)}\n`);
} else {
  process.stdout.write(`${formatReport(report)}\nWhole summary: ${path}\n`);
}
process.exit(ok ? 0 : 1);

function numberOf(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  process.stderr.write(`--${name} must be a number from ${least} to ${most}, not ${text}\n`);
  process.exit(2);
}
