// npm test [-- pattern …]: unit and contract tests of each package, then the end-to-end suite once
// per topology. A pattern keeps the files whose path contains it. Passing runs are one line each,
// failing ones are shown in full, and the last line is the sum that other programs read.

import { repositoryFiles } from "./repository.ts";
import { addTotals, noTests, summaryLine, type Totals } from "./test/junit.ts";
import { runStep, type Step, type StepResult } from "./test/run-step.ts";
import { startTestServers, type TestServers } from "./test-servers.ts";

/** Package => seconds its unit and contract tests may take, in the order they run: floor first. */
const budgets: Readonly<Record<string, number>> = {
  scripts: 90,
  proto: 30,
  runtime: 120,
  state: 240,
  "inference-proxy": 150,
  orchestrator: 180,
  gateway: 150,
  benchmarks: 360,
  mesh: 240,
};

const endToEndSeconds = 600;

interface Topology {
  readonly name: string;
  readonly title: string;
  readonly needsServers: boolean;
}

const topologies: readonly Topology[] = [
  { name: "embedded", title: "one process, embedded storage", needsServers: false },
  { name: "servers", title: "one process, real servers", needsServers: true },
  { name: "split", title: "four processes, real servers", needsServers: true },
];

const skippedLinesMax = 30;

/**
 * Files of a whole run whose failures may be tried once more. The end-to-end tests kill processes
 * and run on busy machines; more failures than this are no accident.
 */
const filesTriedAgainMax = 2;

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
}

const results: StepResult[] = [];
/** Files that failed first and passed when tried again, with the step they are of. */
const flaky: string[] = [];
/** What did not run, in sentences. */
const notRun: string[] = [];

async function main(patterns: readonly string[]): Promise<void> {
  const files = (await repositoryFiles())
    .filter((path) => /\.test\.tsx?$/.test(path))
    .filter((path) => patterns.length === 0 || patterns.some((pattern) => path.includes(pattern)))
    .toSorted();
  const endToEnd = files.filter((path) => path.startsWith("e2e/"));
  const units = files.filter((path) => !path.startsWith("e2e/"));
  if (units.length > 0) await runUnits(units);
  for (const topology of topologies) {
    if (endToEnd.length > 0 && !stop.signal.aborted) await runEndToEnd(topology, endToEnd);
  }
}

async function runUnits(files: readonly string[]): Promise<void> {
  const servers = await startTestServers({ postgres: true, redis: true, nats: true });
  try {
    sayServers(servers);
    const packages = [...new Set(files.map((path) => path.split("/")[0] ?? ""))];
    const order = Object.keys(budgets);
    packages.sort((left, right) => order.indexOf(left) - order.indexOf(right));
    for (const name of packages) {
      if (stop.signal.aborted) return;
      await run({
        name,
        files: files.filter((path) => path.startsWith(`${name}/`)),
        env: servers.env,
        budgetSeconds: budgets[name] ?? 60,
      });
    }
  } finally {
    await servers.close();
  }
}

/**
 * Each topology gets servers of its own: what one run leaves in them is not the next one's input.
 */
async function runEndToEnd(topology: Topology, files: readonly string[]): Promise<void> {
  const { needsServers } = topology;
  const name = `e2e: ${topology.title}`;
  const servers = needsServers
    ? await startTestServers({ postgres: true, redis: true, nats: true })
    : undefined;
  try {
    const missing = servers === undefined ? [] : missingOf(servers);
    if (missing.length > 0) {
      console.log(`skipped  ${name}`);
      notRun.push(`${name}: ${missing.join("; ")}`);
      return;
    }
    const env = { ...servers?.env, E2E_TOPOLOGY: topology.name };
    await run({ name, files, env, budgetSeconds: endToEndSeconds });
  } finally {
    await servers?.close();
  }
}

async function run(step: Step): Promise<void> {
  const result = await tryAgain(step, await runStep(step, stop.signal));
  results.push(result);
  const word = result.totals.failed === 0 ? "ok" : "FAILED";
  const seconds = `${result.seconds.toFixed(1)} s`;
  console.log(
    `${word.padEnd(8)} ${step.name.padEnd(36)} ${seconds.padStart(8)}  ${summaryLine(result.totals)}`,
  );
  if (result.totals.failed === 0) return;
  console.log(`\n${result.output}\n`);
  if (result.fault !== undefined) console.log(`${step.name}: ${result.fault}\n`);
}

/**
 * The step's result, its few failed files run once more. A failure that does not come again is
 * shown in full and named at the end: it is a fault to be found, though not one to stop everybody.
 */
async function tryAgain(step: Step, first: StepResult): Promise<StepResult> {
  const files = first.failedFiles;
  if (files.length === 0 || flaky.length + files.length > filesTriedAgainMax) return first;
  const second = await runStep({ ...step, files }, stop.signal);
  if (second.totals.failed > 0) return first;
  flaky.push(...files.map((file) => `${step.name}: ${file}`));
  console.log(`\n${first.output}\n\nFLAKY    ${files.join(", ")} passed when run again`);
  const { passed, failed, skipped } = first.totals;
  return { ...first, totals: { passed: passed + failed, failed: 0, skipped } };
}

function sayServers(servers: TestServers): void {
  for (const kind of ["postgres", "redis", "nats"] as const) {
    const server = servers[kind];
    if (server === undefined) continue;
    if (!("skipped" in server)) console.log(`using    ${server.program}`);
    else notRun.push(`tests on ${kind}: ${server.skipped}. To get it: ${server.howTo}`);
  }
}

function missingOf(servers: TestServers): readonly string[] {
  return (["postgres", "redis", "nats"] as const).flatMap((kind) => {
    const server = servers[kind];
    return server !== undefined && "skipped" in server ? `${server.skipped}` : [];
  });
}

function sayWhatIsLeft(): void {
  const lines = results.flatMap(({ name, skipped }) => skipped.map((why) => `${name}: ${why}`));
  for (const line of lines.slice(0, skippedLinesMax)) console.log(`skipped  ${line}`);
  if (lines.length > skippedLinesMax) {
    console.log(`skipped  … and ${lines.length - skippedLinesMax} more`);
  }
  for (const sentence of notRun) console.log(`not run  ${sentence}`);
  for (const file of flaky) console.log(`flaky    ${file}: failed, then passed; see above`);
}

/** The sum of all runs; a topology that did not run counts as one skipped test. */
function finalTotals(): Totals {
  const sum = results.map(({ totals }) => totals).reduce(addTotals, noTests);
  const skippedRuns = notRun.filter((sentence) => sentence.startsWith("e2e")).length;
  return { ...sum, skipped: sum.skipped + skippedRuns };
}

const patterns = process.argv.slice(2).filter((argument) => argument !== "--");
await main(patterns);
if (results.length === 0) console.log(`no test file matches ${patterns.join(" ")}`);
if (stop.signal.aborted) console.log(String(stop.signal.reason));
sayWhatIsLeft();
const totals = finalTotals();
console.log(summaryLine(totals));
process.exit(totals.failed > 0 || totals.passed === 0 || stop.signal.aborted ? 1 : 0);
