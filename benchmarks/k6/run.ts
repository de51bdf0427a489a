/**
 * `npm run bench:k6 -- <scenario>`: finds or builds k6, boots the system under test, runs the
 * scenario, reports, stops. The status is 0 when every threshold held, 1 when one broke, 2 for a
 * wrong call, 3 when k6 cannot be had here, which is said.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatBars } from "../report/bars.ts";
import { formatReport, saveReport } from "../report/report.ts";
import { findK6 } from "./find-k6.ts";
import { runScenario, type ScenarioPlan } from "./run-scenario.ts";
import { scenarios } from "./scenarios.ts";

const transports = ["sse", "grpc", "http"] as const;

const help = `npm run bench:k6 -- <scenario> [flags]

${scenarios.map(({ name, about }) => `  ${name.padEnd(20)} ${about}`).join("\n")}

  --duration SECONDS   how long sessions arrive (default: the scenario's, 30 to 900; at most 14400)
  --rate N             sessions a second (default: the scenario's; at most 100)
  --think SECONDS      mean pause of people, longest pause of planned sessions (default 1)
  --replicas N         simulated replicas (default: the scenario's; at most 32)
  --transport KIND     how model calls to the proxy are made and timed: sse (each event; needs the k6 that is
                       built here), grpc (each message), http (whole bodies, stock k6)
  --seed N             of the planned sessions (default 1)
  --out DIR            where summary.json, serve.json (the field names of vllm bench serve) and report.html go
  --tiny               five seconds at half a session a second; shows only that it works
  --json               one JSON line a bar instead of the tables
  --help               this text

k6 is taken from $K6_BIN, else from the PATH, else built once from its pinned Go module.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    duration: { type: "string" },
    rate: { type: "string" },
    think: { type: "string", default: "1" },
    replicas: { type: "string" },
    transport: { type: "string" },
    seed: { type: "string", default: "1" },
    out: { type: "string" },
    tiny: { type: "boolean" },
    json: { type: "boolean" },
    help: { type: "boolean" },
  },
});
if (values.help === true) {
  process.stdout.write(help);
  process.exit(0);
}
const setup = scenarios.find(({ name }) => name === positionals[0]);
if (setup === undefined || positionals.length !== 1) {
  const names = scenarios.map(({ name }) => name).join(", ");
  refuse(`name one scenario: ${names}; not ${positionals.join(" ") || "none"}`);
}
const transport = transports.find((each) => each === values.transport);
if (values.transport !== undefined && transport === undefined) {
  refuse(`--transport must be ${transports.join(", ")}, not ${values.transport}`);
}
const isTiny = values.tiny === true;
const stamp = new Date().toISOString().replace(/[:.]/g, "-");
const plan: ScenarioPlan = {
  setup,
  durationSeconds: numberOf(
    "duration",
    values.duration,
    isTiny ? 5 : setup.durationSeconds,
    14_400,
  ),
  sessionsPerSecond: numberOf("rate", values.rate, isTiny ? 0.5 : setup.sessionsPerSecond, 100),
  thinkSeconds: numberOf("think", values.think, 1, 60),
  replicas: numberOf("replicas", values.replicas, setup.replicas, 32),
  transport,
  withLatencyBars: !isTiny,
  seed: numberOf("seed", values.seed, 1, 2 ** 31),
  outFolder: values.out ?? join(import.meta.dir, `../results/local/k6-${setup.name}-${stamp}`),
};
const k6 = await findK6({ mayBuild: true });
if ("absent" in k6) {
  process.stdout.write(`${setup.name}: ${k6.absent}\n`);
  process.exit(3);
}
if (transport === "sse" && !k6.hasSse) {
  refuse(`--transport sse: ${k6.path} has no k6/x/sse; unset K6_BIN and leave k6 off the PATH`);
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.stderr.write(`k6: ${k6.path} (${k6.origin})\n`);
const { report, bars, ok } = await runScenario(k6, plan, (text) =>
  process.stderr.write(`k6: ${text}\n`),
);
const path = saveReport(report, new Date());
const said =
  values.json === true
    ? formatBars(bars, { json: true })
    : `${formatReport(report)}\n\n${formatBars(bars, { json: false })}\n\n` +
      `Page and summaries: ${plan.outFolder}\nRaw figures: ${path}`;
process.stdout.write(`${said}\n`);
process.exit(ok ? 0 : 1);

function numberOf(name: string, text: string | undefined, fallback: number, most: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (Number.isFinite(value) && value >= 0 && value <= most) return value;
  refuse(`--${name} must be a number from 0 to ${most}, not ${text}`);
}

function refuse(why: string): never {
  process.stderr.write(`bench:k6: ${why}\n`);
  process.exit(2);
}
