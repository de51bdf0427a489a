/**
 * `npm run bench:replica-truth`: the replica beside a real vLLM, answer by answer and event by
 * event. Progress goes to stderr, differences or bars to stdout. The status is 1 when they differ
 * in something that no table lists, 3 when no vLLM is installed.
 */
import { join, resolve } from "node:path";
import { messageOf } from "@warmpath/runtime/base";
import { barOf, exitCodeOf, formatBars } from "../../report/bars.ts";
import { readFlags } from "../../report/flags.ts";
import { machineFacts } from "../../report/machine.ts";
import { formatReport, saveReport } from "../../report/report.ts";
import { defaultVenv, findVllm } from "./find-vllm.ts";
import { ensureModel, installVllm, recipe } from "./install-vllm.ts";
import { nameOf, reportOf } from "./report.ts";
import { runTruth, type Truth } from "./run-truth.ts";
import { type LiveServerName, liveServerNames } from "./vllm-servers.ts";

/** Nothing was compared, because there is nothing to compare with. */
const absentStatus = 3;

const help = `npm run bench:replica-truth -- [flags]

  --install DIR    install a vLLM for CPUs into DIR (6 GB) unless it is there, and use it
  --servers A,B    which of the recorded servers to start, one after the other; default both
  --only PATTERN   only requests whose recording's name matches this regular expression
  --quick          server A only
  --tiny           a second replica in the place of vLLM: checks this program, says nothing of truth
  --json           one JSON line a bar on stdout instead of text
  --help           this text

A vLLM is looked for in $VLLM_BIN, on the PATH, and in .deps/vllm. Raw results are kept in
benchmarks/results/local/. Status: 0 alike, 1 different or failed, 2 a wrong flag, 3 no vLLM.

${recipe}`;

const absence = `No vLLM is installed, so nothing was compared. ${recipe}`;
const second: Truth = { kind: "replica" };

/** A flag that cannot be obeyed. */
class UsageError extends Error {}

const say = (text: string) => process.stderr.write(`replica-truth: ${text}\n`);
const stopped = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => stopped.abort(new Error(`stopped by ${name}`)));
}

try {
  process.exitCode = await main();
} catch (error) {
  say(stopped.signal.aborted ? messageOf(stopped.signal.reason) : messageOf(error));
  process.exitCode = error instanceof UsageError ? 2 : process.exitCode || 1;
}
// A socket of a server that was killed must not keep us.
process.exit();

async function main(): Promise<number> {
  const { values } = readFlags("bench:replica-truth", {
    options: {
      install: { type: "string" },
      servers: { type: "string" },
      only: { type: "string" },
      quick: { type: "boolean" },
      tiny: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const json = values.json === true;
  const servers = serversOf(values.servers ?? (values.quick === true ? "A" : "A,B"));
  const only = values.only === undefined ? undefined : patternOf(values.only);
  const truth = values.tiny === true ? second : await findTruth(values.install);
  if (truth === undefined) {
    const absent = barOf("vLLM installed", 0, ">=", 1);
    process.stdout.write(json ? `${formatBars([absent], { json })}\n` : absence);
    return absentStatus;
  }
  const { env } = process;
  const { signal } = stopped;
  const comparisons = await runTruth({ truth, servers, only, env, signal, say });
  const { report, unlisted, compared } = reportOf(comparisons, truth, machineFacts());
  say(`raw results: ${saveReport(report, new Date())}`);
  if (!json) process.stdout.write(`${formatReport(report)}\n\n`);
  const bars = [
    barOf(`unlisted differences from ${nameOf(truth)}`, unlisted, "<=", 0),
    barOf("requests and event steps compared", compared, ">=", 1),
  ];
  process.stdout.write(`${formatBars(bars, { json })}\n`);
  return exitCodeOf(bars);
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`--only ${text}: ${messageOf(error)}`);
  }
}

function serversOf(list: string): readonly LiveServerName[] {
  return list.split(",").map((name) => {
    const found = liveServerNames.find((known) => known === name);
    if (found === undefined) {
      throw new UsageError(`--servers ${list}: there are ${liveServerNames.join(" and ")}`);
    }
    return found;
  });
}

async function findTruth(installInto: string | undefined): Promise<Truth | undefined> {
  const venv = installInto === undefined ? defaultVenv : resolve(installInto);
  if (installInto !== undefined) await installVllm(venv, say);
  const named = installInto === undefined ? process.env["VLLM_BIN"] : join(venv, "bin/vllm");
  const vllm = findVllm(named, venv);
  if (vllm === undefined) return undefined;
  return { kind: "vllm", vllm, model: await ensureModel(vllm.python, say) };
}
