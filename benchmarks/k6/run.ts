/**
 * `npm run bench:k6 -- <scenario>`: finds or builds k6, boots the system under test, runs the
 * scenario, reports, stops. The status is 0 when every threshold held, 1 when one broke, 2 for a
 * wrong call, 3 when k6 cannot be had here, which is said, 130 when it was interrupted.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { formatBars } from "../report/bars.ts";
import { formatReport, saveReport } from "../report/report.ts";
import { findK6, type K6Program } from "./find-k6.ts";
import { runScenario, type ScenarioPlan } from "./run-scenario.ts";
import type { ScenarioRun } from "./scenario-report.ts";
import { scenarios } from "./scenarios.ts";

const transports = ["sse", "grpc", "http"] as const;

const help = `npm run bench:k6 -- <scenario> [flags]

${scenarios.map(({ name, about }) => `  ${name.padEnd(20)} ${about}`).join("\n")}

  --duration SECONDS   how long sessions arrive (default: the scenario's, 30 to 900; at most 14400)
  --rate N             sessions a second (default: the scenario's; 0.02 to 100)
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

const { values, positionals } = readFlags();
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
  durationSeconds: numberOf("duration", isTiny ? 5 : setup.durationSeconds, 1, 14_400),
  // k6 is given whole sessions a minute.
  sessionsPerSecond: numberOf("rate", isTiny ? 0.5 : setup.sessionsPerSecond, 0.02, 100),
  thinkSeconds: numberOf("think", 1, 0, 60),
  replicas: wholeOf("replicas", setup.replicas, 1, 32),
  transport,
  withLatencyBars: !isTiny,
  seed: wholeOf("seed", 1, 0, 2 ** 31),
  outFolder: values.out ?? join(import.meta.dir, `../results/local/k6-${setup.name}-${stamp}`),
};
const stopped = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    say("stopping");
    stopped.abort();
    // Who insists is obeyed: what runs is killed.
    process.once(signal, () => process.exit(130));
  });
}
const k6 = await findK6({ mayBuild: true, signal: stopped.signal });
if (stopped.signal.aborted) process.exit(130);
if ("absent" in k6) {
  process.stdout.write(`${setup.name}: ${k6.absent}\n`);
  process.exit(3);
}
if (transport === "sse" && !k6.hasSse) {
  refuse(`--transport sse: ${k6.path} has no k6/x/sse; unset K6_BIN and leave k6 off the PATH`);
}
say(`${k6.path} (${k6.origin})`);
const { report, bars, ok } = await run(k6);
const path = saveReport(report, new Date());
const said =
  values.json === true
    ? formatBars(bars, { json: true })
    : `${formatReport(report)}\n\n${formatBars(bars, { json: false })}\n\n` +
      `Page and summaries: ${plan.outFolder}\nRaw figures: ${path}`;
process.stdout.write(`${said}\n`);
process.exit(ok ? 0 : 1);

async function run(program: K6Program): Promise<ScenarioRun> {
  try {
    return await runScenario(program, plan, say, stopped.signal);
  } catch (error) {
    if (stopped.signal.aborted) process.exit(130);
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

function say(text: string): void {
  process.stderr.write(`k6: ${text}\n`);
}

function readFlags() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        duration: { type: "string" },
        rate: { type: "string" },
        think: { type: "string" },
        replicas: { type: "string" },
        transport: { type: "string" },
        seed: { type: "string" },
        out: { type: "string" },
        tiny: { type: "boolean" },
        json: { type: "boolean" },
        help: { type: "boolean" },
      },
    });
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
}

function numberOf(
  name: "duration" | "rate" | "think" | "replicas" | "seed",
  fallback: number,
  least: number,
  most: number,
): number {
  const text = values[name];
  if (text === undefined) return fallback;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value >= least && value <= most) return value;
  refuse(`--${name} must be a number from ${least} to ${most}, not "${text}"`);
}

function wholeOf(name: "replicas" | "seed", fallback: number, least: number, most: number): number {
  const value = numberOf(name, fallback, least, most);
  if (Number.isInteger(value)) return value;
  refuse(`--${name} must be a whole number, not ${value}`);
}

function refuse(why: string): never {
  process.stderr.write(`bench:k6: ${why}\n`);
  process.exit(2);
}
