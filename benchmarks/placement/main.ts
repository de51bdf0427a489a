/**
 * `npm run bench:placement`: our placement against every published policy, with bars. Progress goes
 * to stderr, tables and bars to stdout, finished cells to a folder; the status is 1 when a bar is
 * missed.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createProgress, type Progress } from "../policy-lab/cli/progress.ts";
import { runLab } from "../policy-lab/run-lab.ts";
import { exitCodeOf, formatBars } from "../report/bars.ts";
import { readFlags } from "../report/flags.ts";
import { barsOf } from "./bars.ts";
import { fullPlan, jobsOf, quickPlan, tinyPlan, tracePath } from "./plan.ts";
import { formatPoints } from "./tables.ts";

const help = `npm run bench:placement -- [flags]

  Our placement and session admission against published policies in the policy lab, in virtual time: beyond
  what the caches hold, up to what they hold, below saturation, and on recorded conversations. Holds the
  figures against their bars. About half an hour on two idle cores; Ctrl-C keeps what is finished.

  --quick    some minutes, one seed: not to be quoted
  --tiny     seconds; shows only that the bench works, and holds no bar
  --workers  processes; as many as cores unless told otherwise
  --resume   goes on where an earlier run of the same code was stopped
  --json     the bars as JSON lines on stdout instead of tables
  --help     this text
`;

/** As shells report a program that Ctrl-C ended. */
const stoppedStatus = 130;

const { values } = readFlags("placement", {
  options: {
    quick: { type: "boolean" },
    tiny: { type: "boolean" },
    resume: { type: "boolean" },
    workers: { type: "string" },
    json: { type: "boolean" },
    help: { type: "boolean" },
  },
});
if (values.help === true) {
  process.stdout.write(help);
  process.exit(0);
}
const json = values.json === true;
const size = values.tiny === true ? "tiny" : values.quick === true ? "quick" : "full";
const workers = Number(values.workers ?? (size === "tiny" ? 0 : availableParallelism()));
if (!Number.isInteger(workers) || workers < 0) {
  process.stderr.write("placement: --workers wants a whole number (--help lists the flags)\n");
  process.exit(2);
}
const plan = { tiny: tinyPlan, quick: quickPlan, full: fullPlan }[size];
const stopped = new AbortController();
process.once("SIGINT", () => stopped.abort());
process.once("SIGTERM", () => stopped.abort());
let progress: Progress | undefined;
const result = await runLab({
  plan: { title: "Placement", jobs: jobsOf(plan) },
  command: ["npm run bench:placement --", ...process.argv.slice(2)].join(" "),
  out: join(import.meta.dir, "../results/local", `placement-${size}`),
  resume: values.resume === true,
  workers,
  tracePath,
  signal: stopped.signal,
  onStart: (total, reused) => {
    process.stderr.write(`placement: ${total} cells to run, ${reused} kept\n`);
    progress = createProgress({ total, out: process.stderr, nowMs: () => performance.now() });
  },
  onResult: ({ spec }) => progress?.step(spec),
});
progress?.end();
if (!json) process.stdout.write(`${formatPoints(result.cells)}\n\n`);
if (result.missingCells > 0) {
  process.stderr.write(
    `placement: stopped; ${result.missingCells} cells missing, --resume goes on\n`,
  );
  process.exit(stoppedStatus);
}
const bars = [...result.bars, ...(size === "tiny" ? [] : barsOf(plan, result.cells))];
process.stdout.write(`${formatBars(bars, { json })}\n`);
process.exit(exitCodeOf(bars));
