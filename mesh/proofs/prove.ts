/**
 * `npm run mesh:prove`: shows that the deployment does what the table says, level by level, as far
 * as the machine has what a level needs. Levels that are not run are named with their reason. The
 * status is 1 when one failed, or when a level that was asked for by name could not run.
 */
import { parseArgs } from "node:util";
import { messageOf } from "@warmpath/runtime/base";
import { endOnSignals } from "./end-on-signals.ts";
import type { ProofStep } from "./step.ts";
import { proofSteps } from "./steps.ts";

const help = `npm run mesh:prove -- [levels] [flags]

  Proves mesh/: the chart, the policy that is made from mesh/matrix.yaml, and what carries it. Without names
  every level that this machine has the tools for.

${proofSteps.map(({ name, proves }) => `  ${name.padEnd(14)} ${proves}`).join("\n")}

  --json    a line of JSON for each level, on stdout
  --help    this text
`;

/** What became of a level. */
export interface Outcome {
  readonly level: string;
  readonly state: "passed" | "failed" | "not run";
  readonly passed: number;
  readonly failures: readonly string[];
  readonly reason: string;
  readonly seconds: number;
}

/** Runs the levels one after the other; 2 for a name or a flag that is none. */
async function main(args: readonly string[]): Promise<number> {
  const asked = readArgs(args);
  if (typeof asked === "string") {
    process.stderr.write(`${asked}\n\n${help}`);
    return 2;
  }
  const { values, positionals } = asked;
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const unknown = positionals.filter((name) => proofSteps.every((step) => step.name !== name));
  if (unknown.length > 0) {
    process.stderr.write(`There is no level ${unknown.join(", ")}.\n\n${help}`);
    return 2;
  }
  const isNamed = positionals.length > 0;
  const chosen = proofSteps.filter(({ name }) => !isNamed || positionals.includes(name));
  const outcomes: Outcome[] = [];
  for (const step of chosen) {
    const outcome = await prove(step);
    outcomes.push(outcome);
    process.stdout.write(
      values.json === true ? `${JSON.stringify(outcome)}\n` : `${inWords(outcome)}\n`,
    );
  }
  if (values.json !== true) {
    process.stdout.write(`\n${summaryOf(outcomes)}\n`);
  }
  const isRed = ({ state }: Outcome) => state === "failed" || (isNamed && state === "not run");
  return outcomes.some(isRed) ? 1 : 0;
}

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: "boolean" }, help: { type: "boolean" } },
    });
  } catch (error) {
    return messageOf(error);
  }
}

/** Runs a level, if this machine can. One that passed nothing has shown nothing: it failed. */
export async function prove(step: ProofStep): Promise<Outcome> {
  const reason = step.missing();
  const nothing = { level: step.name, passed: 0, failures: [], seconds: 0 };
  if (reason !== undefined) {
    return { ...nothing, state: "not run", reason };
  }
  const startedAtMs = performance.now();
  const seconds = () => Math.round((performance.now() - startedAtMs) / 100) / 10;
  try {
    const result = await step.run((line) => {
      process.stderr.write(`${step.name}: ${line}\n`);
    });
    const { passed } = result;
    const isEmpty = passed === 0 && result.failures.length === 0;
    const failures = isEmpty ? ["nothing was looked at"] : result.failures;
    const state = failures.length === 0 ? "passed" : "failed";
    return { level: step.name, state, passed, failures, reason: "", seconds: seconds() };
  } catch (error) {
    const failures = [messageOf(error)];
    return { ...nothing, state: "failed", failures, reason: "", seconds: seconds() };
  }
}

/** The last line, as `npm test` has it. */
function summaryOf(outcomes: readonly Outcome[]): string {
  const passed = outcomes.reduce((sum, each) => sum + each.passed, 0);
  const failed = outcomes.reduce((sum, each) => sum + each.failures.length, 0);
  return `${passed} passed, ${failed} failed`;
}

function inWords({ level, state, passed, failures, reason, seconds }: Outcome): string {
  const name = level.padEnd(14);
  if (state === "not run") {
    return `${name} not run: ${reason}`;
  }
  const count = `${passed} passed, ${failures.length} failed, ${seconds} s`;
  return [`${name} ${state}: ${count}`, ...failures.map((each) => `  ${each}`)].join("\n");
}

if (import.meta.main) {
  endOnSignals();
  process.exitCode = await main(process.argv.slice(2));
}
