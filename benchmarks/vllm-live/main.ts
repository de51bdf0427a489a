/**
 * `npm run bench:vllm-live`: the proxy before two real vLLM servers on the CPU. Progress goes to
 * stderr, bars to stdout. The status is 1 when a bar is missed, 3 when no vLLM is installed.
 */
import { messageOf } from "@warmpath/runtime/base";
import { defaultVenv, findVllm } from "../replica/truth/find-vllm.ts";
import { ensureModel, recipe } from "../replica/truth/install-vllm.ts";
import { barOf, exitCodeOf, formatBars } from "../report/bars.ts";
import { readFlags } from "../report/flags.ts";
import { machineFacts } from "../report/machine.ts";
import { formatReport, saveReport } from "../report/report.ts";
import type { EngineKind } from "./engines.ts";
import { runLive } from "./live.ts";
import { fullPlan, quickPlan, tinyPlan } from "./plans.ts";
import { reportOf } from "./report.ts";

/** Nothing was measured, because there is nothing to measure. */
const absentStatus = 3;

const help = `npm run bench:vllm-live -- [flags]

  --quick        sessions, overload and a stopped engine; no engine is killed
  --tiny         a few short sessions before simulated engines: checks this program only
  --simulated    the whole run before simulated engines: says nothing of a real vLLM
  --json         one JSON line a bar on stdout instead of text
  --help         this text

A vLLM is looked for in $VLLM_BIN, on the PATH, and in .deps/vllm. A start takes 1 to 3 minutes
and 3 GB; the whole run starts each of two engines twice. Raw results are kept in
benchmarks/results/local/. Status: 0 all bars held, 1 one missed or something failed, 2 a wrong
flag, 3 no vLLM.

${recipe}`;

const absence = `No vLLM is installed, so nothing was measured. ${recipe}`;

const simulated: EngineKind = { kind: "simulated" };

const say = (text: string) => process.stderr.write(`vllm-live: ${text}\n`);
const stopped = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => {
    stopped.abort(new Error(`stopped by ${name}`));
    // What was started is killed on the way out.
    process.exit(1);
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
}
// A socket of a server that was killed must not keep us.
process.exit();

async function main(): Promise<number> {
  const { values } = readFlags("bench:vllm-live", {
    options: {
      quick: { type: "boolean" },
      tiny: { type: "boolean" },
      simulated: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const json = values.json === true;
  const isTiny = values.tiny === true;
  const engines = isTiny || values.simulated === true ? simulated : await findEngines();
  if (engines === undefined) {
    const absent = barOf("vLLM installed", 0, ">=", 1);
    process.stdout.write(json ? `${formatBars([absent], { json })}\n` : absence);
    return absentStatus;
  }
  const plan = isTiny ? tinyPlan : values.quick === true ? quickPlan : fullPlan;
  const result = await runLive(plan, { engines, signal: stopped.signal, say });
  const report = reportOf(plan, engines, result, machineFacts());
  say(`raw results: ${saveReport(report, new Date())}`);
  if (!json) process.stdout.write(`${formatReport(report)}\n\n`);
  process.stdout.write(`${formatBars(result.bars, { json })}\n`);
  return exitCodeOf(result.bars);
}

async function findEngines(): Promise<EngineKind | undefined> {
  const vllm = findVllm(process.env["VLLM_BIN"], defaultVenv);
  if (vllm === undefined) return undefined;
  return { kind: "vllm", vllm, model: await ensureModel(vllm.python, say) };
}
