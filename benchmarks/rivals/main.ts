/**
 * `npm run bench:rivals`: rivals and ours in one harness. Progress goes to stderr, the report to
 * stdout; the status is 1 when a request failed. A rival that cannot be had is reported as absent.
 */
import { runCommandLine } from "../overhead/command-line.ts";
import { fullPlan, quickPlan, tinyPlan } from "../overhead/plan.ts";
import { rivals, runRivals } from "./rivals.ts";

const names = rivals.map(({ name }) => name).join(", ");

const help = `npm run bench:rivals -- [flags]

  Ratios of ${names}
  and ours to nginx and to the bare upstream, for requests, for streams and for callers that leave.
  What is missing is installed first, by pinned package, into .deps/rivals (about 1.2 GB, a few minutes, once).
  About 90 minutes.

  --only A,B     these rivals, beside direct, nginx and warmpath
  --install      install only
  --no-install   do not install: what is missing is absent
  --quick        ten minutes; too noisy to quote
  --tiny         seconds a rival, of those already installed; shows only that the bench works
  --rounds N     other than the plan's (an even number turns the order around evenly)
  --json         one JSON line a figure on stdout instead of tables
  --help         this text

Raw rounds are kept in benchmarks/results/local/; Ctrl-C keeps and reports the finished ones (status 130).
`;

await runCommandLine({
  name: "rivals",
  help,
  plans: { full: { ...fullPlan, rounds: 2 }, quick: { ...quickPlan, rounds: 2 }, tiny: tinyPlan },
  run: runRivals,
});
