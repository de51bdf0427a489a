/**
 * `npm run bench [overhead|durable|native-grpc]`: the first figures, each with what it does and
 * does not say. Progress goes to stderr, the report to stdout; the status is not 0 when a bench
 * fails or a request did.
 */
import * as durable from "./durable/durable.ts";
import * as nativeGrpc from "./native-grpc/native-grpc.ts";
import * as overhead from "./overhead/overhead.ts";
import { readFlags } from "./report/flags.ts";
import { type BenchReport, formatReport, saveReport } from "./report/report.ts";

const help = `npm run bench -- [overhead|durable|native-grpc] [flags]

  overhead   latency that the inference proxy adds, and its requests/s, against the bare upstream and nginx
  durable    tasks/s of a five-step agent, on the embedded storage and on PostgreSQL + Redis + NATS
  native-grpc  native gRPC calls/s and messages/s of our listener, against connect-node
             (none named: all, in this order)

  --quick    about a minute instead of several; too noisy to quote
  --tiny     a few seconds; shows only that the benches work
  --json     one JSON line a figure on stdout instead of tables
  --no-install   do not install nginx where it is missing
  --help     this text

Raw rounds are kept in benchmarks/results/local/.
`;

const onProgress = (text: string) => process.stderr.write(`bench: ${text}\n`);

const benches: Readonly<Record<string, (flags: Flags) => Promise<BenchReport>>> = {
  overhead: ({ size, mayInstall }) =>
    runSized(size, overhead, (plan) => overhead.runOverhead(plan, { mayInstall, onProgress })),
  durable: ({ size }) =>
    runSized(size, durable, (plan) =>
      durable.runDurable(plan, { withServers: size !== "tiny", onProgress }),
    ),
  "native-grpc": ({ size }) =>
    runSized(size, nativeGrpc, (plan) => nativeGrpc.runNativeGrpc(plan, { onProgress })),
};

interface Flags {
  readonly size: "full" | "quick" | "tiny";
  readonly mayInstall: boolean;
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values, positionals } = readFlags("bench", {
    allowPositionals: true,
    options: {
      quick: { type: "boolean" },
      tiny: { type: "boolean" },
      json: { type: "boolean" },
      "no-install": { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  const unknown = positionals.filter((name) => benches[name] === undefined);
  if (values.help === true || unknown.length > 0) {
    process.stderr.write(unknown.length > 0 ? `no bench is called ${unknown.join(", ")}\n\n` : "");
    process.stdout.write(help);
    process.exit(unknown.length > 0 ? 2 : 0);
  }
  const size = values.tiny ? "tiny" : values.quick ? "quick" : "full";
  const flags: Flags = { size, mayInstall: values["no-install"] !== true };
  const wanted = positionals.length > 0 ? positionals : Object.keys(benches);
  let failed = 0;
  for (const name of wanted) {
    if (!(await runOne(name, flags, values.json === true))) failed += 1;
  }
  process.exit(failed === 0 ? 0 : 1);
}

/** Runs and prints one bench; false when it failed, or when something in it did. */
async function runOne(name: string, flags: Flags, asJson: boolean): Promise<boolean> {
  try {
    const report = await benches[name]?.(flags);
    if (report === undefined) return false;
    const path = saveReport(report, new Date());
    if (asJson) {
      for (const figure of report.figures) process.stdout.write(`${JSON.stringify(figure)}\n`);
    } else {
      process.stdout.write(`${formatReport(report)}\nRaw rounds: ${path}\n\n`);
    }
    const failures = report.figures.filter((figure) => figure.name.endsWith(".failures"));
    const count = failures.reduce((sum, figure) => sum + figure.value, 0);
    if (count > 0) process.stderr.write(`bench: ${name}: ${count} failures, see the raw rounds\n`);
    return count === 0;
  } catch (error) {
    process.stderr.write(`bench: ${name}: ${error instanceof Error ? error.message : error}\n`);
    return false;
  }
}

function runSized<Plan>(
  size: Flags["size"],
  plans: { readonly fullPlan: Plan; readonly quickPlan: Plan; readonly tinyPlan: Plan },
  run: (plan: Plan) => Promise<BenchReport>,
): Promise<BenchReport> {
  const bySize = { full: plans.fullPlan, quick: plans.quickPlan, tiny: plans.tinyPlan };
  return run(bySize[size]);
}
