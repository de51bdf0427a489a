/**
 * `npm run bench:overhead`: what the inference proxy adds to a request and to a stream. Progress
 * goes to stderr, the report to stdout; the status is 1 when a request failed.
 */
import { runCommandLine } from "./command-line.ts";
import { fullPlan, quickPlan, runOverhead, tinyPlan } from "./overhead.ts";

const help = `npm run bench:overhead -- [flags]

  Added latency, requests/s, added time to first token, jitter, CPU and memory of the inference proxy, against
  the bare upstream and nginx: about 45 minutes.

  --quick        five minutes; too noisy to quote
  --tiny         seconds; shows only that the bench works
  --rounds N     other than the plan's
  --json         one JSON line a figure on stdout instead of tables
  --no-install   do not fetch nginx where it is missing
  --help         this text

Raw rounds are kept in benchmarks/results/local/; Ctrl-C keeps and reports the finished ones (status 130).
`;

await runCommandLine({
  name: "overhead",
  help,
  plans: { full: fullPlan, quick: quickPlan, tiny: tinyPlan },
  run: runOverhead,
});
