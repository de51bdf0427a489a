import { barOf, exitCodeOf, formatBars } from "../report/bars.ts";
import { readFlags } from "../report/flags.ts";
import { type BenchReport, type Figure, formatReport, saveReport } from "../report/report.ts";

/** What a command of this harness needs. */
export interface CommandLine<Plan extends { readonly rounds: number }> {
  readonly name: string;
  readonly help: string;
  readonly plans: Readonly<Record<"full" | "quick" | "tiny", Plan>>;
  run(plan: Plan, flags: RunFlags): Promise<BenchReport>;
}

/** Flags beyond the size. */
export interface RunFlags {
  readonly mayInstall: boolean;
  /** Names given with `--only`; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Stop after the installation. */
  readonly installOnly: boolean;
  readonly onProgress: (text: string) => void;
  /** Comes with Ctrl-C: the run ends with what is finished. */
  readonly signal: AbortSignal;
}

/** Reads the flags, runs, prints, saves, and ends the process with the bench's status. */
export async function runCommandLine<Plan extends { readonly rounds: number }>(
  command: CommandLine<Plan>,
): Promise<never> {
  const { values } = readFlags(command.name, {
    options: {
      quick: { type: "boolean" },
      tiny: { type: "boolean" },
      rounds: { type: "string" },
      only: { type: "string" },
      install: { type: "boolean" },
      "no-install": { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(command.help);
    process.exit(0);
  }
  const onProgress = (text: string) => void process.stderr.write(`${command.name}: ${text}\n`);
  const stopped = new AbortController();
  let stoppedStatus = 0;
  for (const [signal, status] of stopStatuses) {
    process.on(signal, () => {
      // Who insists is obeyed: exiting runs the handlers that kill the children.
      if (stopped.signal.aborted) process.exit(status);
      stoppedStatus = status;
      onProgress("stopping; what is finished is kept");
      stopped.abort();
    });
  }
  const size = values.tiny ? "tiny" : values.quick ? "quick" : "full";
  const plan = command.plans[size];
  const rounds = values.rounds === undefined ? plan.rounds : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) fail("--rounds must be a whole number from 1");
  try {
    const report = await command.run(
      { ...plan, rounds },
      {
        mayInstall: values["no-install"] !== true && size !== "tiny",
        only: values.only?.split(",").filter((name) => name !== ""),
        installOnly: values.install === true,
        onProgress,
        signal: stopped.signal,
      },
    );
    if (report.interrupted !== undefined && report.rounds.length === 0) {
      onProgress(report.interrupted);
      process.exit(stoppedStatus);
    }
    const status = print(report, values.json === true);
    process.exit(report.interrupted === undefined ? status : stoppedStatus);
  } catch (error) {
    if (stopped.signal.aborted) {
      onProgress("interrupted before anything was measured");
      process.exit(stoppedStatus);
    }
    fail(`${command.name}: ${error instanceof Error ? error.message : error}`);
  }
}

/** As shells report a program that a signal ended. */
const stopStatuses = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const;

/** The one bar of these benches: nothing fails. Figures without a bar are printed as they are. */
function print(report: BenchReport, asJson: boolean): 0 | 1 {
  const path = saveReport(report, new Date());
  const isFailures = ({ name }: Figure) => name.endsWith("failures");
  const bars = report.figures
    .filter(isFailures)
    .map(({ name, value }) => barOf(name, value, "<=", 0));
  if (asJson) {
    for (const figure of report.figures.filter((each) => !isFailures(each))) {
      process.stdout.write(`${JSON.stringify(figure)}\n`);
    }
    process.stdout.write(`${formatBars(bars, { json: true })}\n`);
  } else {
    process.stdout.write(`${formatReport(report)}\nRaw rounds: ${path}\n`);
  }
  if (report.interrupted !== undefined) process.stderr.write(`${report.interrupted}\n`);
  for (const { name, value } of bars.filter(({ ok }) => !ok)) {
    process.stderr.write(`${name}: ${value}\n`);
  }
  return exitCodeOf(bars);
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
