/**
 * `npm run bench:durable-rivals`: the same five-step task on ours, on DBOS and on Restate. Progress
 * goes to stderr, the report to stdout; the status is 1 when a task failed.
 */
import { runCommandLine } from "../../overhead/command-line.ts";
import { runDurableRivals } from "./durable-rivals.ts";
import { fullPlan, quickPlan, tinyPlan } from "./plan.ts";

const help = `npm run bench:durable-rivals -- [flags]

  Tasks/s, p50 and p99 of the same five-step task on warmpath, DBOS (started, and through its queue) and Restate, on
  PostgreSQL with fsync or a log of their own, synced; and what each guarantees: about 15 minutes.
  Missing rivals are installed first, by pinned package, into .deps/rivals (250 MB).

  --only A,B     warmpath, dbos, dbos-queue, restate
  --no-install   do not install: what is missing is absent
  --quick        two minutes; too noisy to quote
  --tiny         seconds, of those already installed; shows only that the bench works
  --rounds N     other than the plan's
  --json         one JSON line a figure on stdout instead of tables
  --help         this text

Raw rounds are kept in benchmarks/results/local/; Ctrl-C keeps and reports the finished ones (status 130).
`;

await runCommandLine({
  name: "durable-rivals",
  help,
  plans: { full: fullPlan, quick: quickPlan, tiny: tinyPlan },
  run: runDurableRivals,
});
