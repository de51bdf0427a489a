// npm run check: everything that can be said about the code without running it, in under a minute.
// One line for each step; what a failing step said follows at the end. `-- --fix` mends what tools
// can mend: formatting, import order, safe lint fixes, generated code and generated documents.

import { compareWithBaseline } from "./breaking.ts";
import { docsDrift, writeDocs } from "./docs.ts";
import { generatedDrift } from "./generate.ts";
import { fetchProtoDeps, ProtoDepsMissing } from "./proto-deps.ts";
import { packageBin, runCommand } from "./repository.ts";
import { fixTidy, tidyFaults } from "./tidy.ts";

// A step that takes longer than this is hanging: the slowest takes about ten seconds.
const stepMsMax = 120_000;

/** `fault` fails the check; `skipped` and `note` are only said. */
interface Outcome {
  fault?: string;
  skipped?: string;
  note?: string;
}

interface Step {
  readonly name: string;
  readonly run: () => Promise<Outcome>;
}

interface Finished extends Outcome {
  readonly name: string;
}

const steps: readonly Step[] = [
  { name: "types", run: () => tool(["tsc", "--project", "."]) },
  {
    name: "format, lint, boundaries",
    run: () => tool(["biome", "check", "--error-on-warnings", "--max-diagnostics=50", "."]),
  },
  { name: "promises, switches", run: () => tool(["oxlint", "--type-aware", "--deny-warnings"]) },
  { name: "tidy, packages", run: tidy },
  { name: "proto lint", run: () => withProtoDeps(() => tool(["buf", "lint"])) },
  { name: "proto against baseline", run: () => withProtoDeps(breaking) },
  { name: "generated code", run: () => withProtoDeps(generated) },
  { name: "generated documents", run: documents },
];

async function tool([name = "", ...args]: readonly string[]): Promise<Outcome> {
  const { exitCode, text } = await runCommand([packageBin(name), ...args], {
    timeoutMs: stepMsMax,
  });
  return exitCode === 0 ? {} : { fault: text };
}

async function tidy(): Promise<Outcome> {
  const faults = await tidyFaults();
  if (faults.length === 0) return {};
  return {
    fault: faults.map(({ path, line, sentence }) => `${path}:${line}: ${sentence}`).join("\n"),
  };
}

/** On a machine that cannot have the imported .proto files, a step that needs them is skipped. */
async function withProtoDeps(step: () => Promise<Outcome>): Promise<Outcome> {
  try {
    await protoDeps;
  } catch (error) {
    if (error instanceof ProtoDepsMissing) return { skipped: error.message };
    throw error;
  }
  return await step();
}

async function generated(): Promise<Outcome> {
  const drift = await generatedDrift();
  return drift === "" ? {} : { fault: `${drift}\nRun: npm run generate` };
}

async function breaking(): Promise<Outcome> {
  const { faults, notices } = await compareWithBaseline();
  const count = notices.split("\n").filter((line) => line !== "").length;
  return {
    ...(faults === "" ? {} : { fault: faults }),
    ...(count === 0 ? {} : { note: `${count} differences since the last release, allowed in 0.x` }),
  };
}

async function documents(): Promise<Outcome> {
  const stale = await docsDrift();
  return stale.length === 0 ? {} : { fault: `${stale.join("\n")}\nRun: npm run docs` };
}

async function timed({ name, run }: Step): Promise<Finished> {
  const startedMs = performance.now();
  let outcome: Outcome;
  try {
    outcome = await run();
  } catch (error) {
    outcome = { fault: error instanceof Error ? error.message : String(error) };
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const word = outcome.fault !== undefined ? "FAILED" : outcome.skipped ? "skipped" : "ok";
  const remark = outcome.skipped ?? outcome.note;
  const tail = remark === undefined ? "" : `  (${remark})`;
  console.log(`${word.padEnd(8)}${name.padEnd(28)}${seconds.padStart(5)} s${tail}`);
  return { name, ...outcome };
}

async function fix(): Promise<void> {
  await fetchProtoDeps();
  await fixTidy();
  await runCommand([packageBin("biome"), "check", "--write", "."]);
  const { exitCode, text } = await runCommand([packageBin("buf"), "generate"]);
  if (exitCode !== 0) console.error(text);
  await writeDocs();
}

if (process.argv.includes("--fix")) await fix();
const protoDeps = fetchProtoDeps();
// Every step that waits for it handles the rejection; this keeps it from counting as unhandled.
protoDeps.catch(() => {});
const finished = await Promise.all(steps.map(timed));
for (const { name, fault } of finished) {
  if (fault !== undefined) console.error(`\n=== ${name}\n${fault.trimEnd()}`);
}
const failedCount = finished.filter(({ fault }) => fault !== undefined).length;
console.log(failedCount === 0 ? "check passed" : `check failed: ${failedCount} of ${steps.length}`);
if (failedCount > 0) process.exitCode = 1;
