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
  // Exiting runs the handlers that kill the children.
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
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
        onProgress: (text) => process.stderr.write(`${command.name}: ${text}\n`),
      },
    );
    process.exit(print(report, values.json === true));
  } catch (error) {
    fail(`${command.name}: ${error instanceof Error ? error.message : error}`);
  }
}

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
  for (const { name, value } of bars.filter(({ ok }) => !ok)) {
    process.stderr.write(`${name}: ${value}\n`);
  }
  return exitCodeOf(bars);
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
