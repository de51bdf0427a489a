import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../repository.ts";
import { failedFiles, noTests, skipReasons, type Totals, totalsFromJunit } from "./junit.ts";

// Long enough for a test that starts processes on a busy machine; each test sets its own if
// shorter.
const testMsMax = 60_000;

// Longer than a drain takes.
const insistMs = 8_000;

/** One run of `bun test`: some files, in one environment, within a time. */
export interface Step {
  readonly name: string;
  readonly files: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** After this the run is stopped and counts as failed. */
  readonly budgetSeconds: number;
}

/** What a step came to; `output` is everything it printed, for when it failed. */
export interface StepResult {
  readonly name: string;
  readonly totals: Totals;
  readonly seconds: number;
  /** Why tests were skipped, or which. */
  readonly skipped: readonly string[];
  readonly fault?: string;
  /** Files with a failed test; empty when the run failed as a whole. */
  readonly failedFiles: readonly string[];
  readonly output: string;
}

/** Runs one step to its end, or to the end of its budget. */
export async function runStep(step: Step, signal: AbortSignal): Promise<StepResult> {
  const folder = mkdtempSync(join(tmpdir(), "warmpath-junit-"));
  const reportPath = join(folder, "report.xml");
  const startedMs = performance.now();
  try {
    const child = Bun.spawn(
      [
        process.execPath,
        "test",
        "--only-failures",
        `--timeout=${testMsMax}`,
        "--reporter=junit",
        `--reporter-outfile=${reportPath}`,
        ...step.files.map((file) => `./${file}`),
      ],
      {
        cwd: root,
        env: { ...process.env, ...step.env },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        // In a group of its own, so that what its tests started can be stopped with it.
        detached: true,
      },
    );
    const stopped = stopGroupWhen(child.pid, { afterMs: step.budgetSeconds * 1000, signal });
    const [output, errors] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    const exitCode = await child.exited;
    stopped.cancel();
    const seconds = (performance.now() - startedMs) / 1000;
    const report = readIfWritten(reportPath);
    const totals = totalsFromJunit(report);
    const fault = faultOf({ step, exitCode, totals, seconds });
    return {
      name: step.name,
      // A run that failed as a whole counts as one failure more than its report knows of.
      totals: countFault(totals ?? noTests, fault),
      seconds,
      skipped: skipReasons(`${output}\n${errors}`, report),
      ...(fault === undefined ? {} : { fault }),
      failedFiles: fault === undefined ? failedFiles(report) : [],
      output: `${output}${errors}`.trim(),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Stops a process group at a time or a signal: asks first, so that services drain, then insists.
 */
function stopGroupWhen(
  group: number,
  when: { afterMs: number; signal: AbortSignal },
): { cancel(): void } {
  let insisting: Timer | undefined;
  const send = (name: "SIGTERM" | "SIGKILL"): void => {
    try {
      process.kill(-group, name);
    } catch {
      // Nobody is left in the group, which is what was wanted.
    }
  };
  const stop = (): void => {
    send("SIGTERM");
    insisting ??= setTimeout(() => send("SIGKILL"), insistMs);
  };
  const timer = setTimeout(stop, when.afterMs);
  when.signal.addEventListener("abort", stop, { once: true });
  if (when.signal.aborted) stop();
  return {
    cancel: () => {
      clearTimeout(timer);
      clearTimeout(insisting);
      when.signal.removeEventListener("abort", stop);
      // A test that failed half-way may have left a process behind; nothing of it is needed.
      send("SIGKILL");
    },
  };
}

/** Why a run failed beyond the failures of its tests; undefined when it did not. */
export function faultOf(run: {
  step: Step;
  exitCode: number;
  totals: Totals | undefined;
  seconds: number;
}): string | undefined {
  const { step, exitCode, totals, seconds } = run;
  if (seconds >= step.budgetSeconds) return `stopped after its budget of ${step.budgetSeconds} s`;
  if (totals === undefined) return `ended without a report, with exit code ${exitCode}`;
  if (totals.passed + totals.failed === 0) return "no test was executed";
  if (exitCode !== 0 && totals.failed === 0) return `exit code ${exitCode} though no test failed`;
  return undefined;
}

function countFault(totals: Totals, fault: string | undefined): Totals {
  return fault === undefined ? totals : { ...totals, failed: totals.failed + 1 };
}

function readIfWritten(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Bun writes the report at the end: a run that was stopped or crashed leaves none.
    return "";
  }
}
