import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatMachine, type MachineFacts } from "./machine.ts";

/** One figure of a bench, for machines. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** What a bench hands back: everything that the table was made of, and the table. */
export interface BenchReport {
  readonly bench: string;
  readonly question: string;
  readonly machine: MachineFacts;
  /** How the bench was run, enough to run it again. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Every round as measured, none dropped. */
  readonly rounds: readonly unknown[];
  readonly figures: readonly Figure[];
  readonly table: string;
  readonly measured: string;
  readonly notMeasured: string;
  /** Contenders that did not run, each with its reason. */
  readonly absent: readonly string[];
  /** How far it came before it was interrupted; absent: to its end. */
  readonly interrupted?: string;
}

/** The report as text for a terminal. */
export function formatReport(report: BenchReport): string {
  return [
    `${report.bench}: ${report.question}`,
    formatMachine(report.machine),
    "",
    report.table,
    "",
    ...report.absent.map(wrap),
    ...(report.interrupted === undefined ? [] : [wrap(report.interrupted)]),
    wrap(`Measured: ${report.measured}`),
    wrap(`Not measured: ${report.notMeasured}`),
  ].join("\n");
}

/** Breaks a paragraph into lines for a terminal. */
function wrap(text: string): string {
  return text.replace(/(.{1,98})(?:\s+|$)/g, "$1\n").trimEnd();
}

/**
 * Keeps a report, raw rounds included, under `benchmarks/results/local` (ignored by git); returns
 * the path.
 */
export function saveReport(report: BenchReport, at: Date): string {
  const folder = join(import.meta.dir, "../results/local");
  mkdirSync(folder, { recursive: true });
  const stamp = at.toISOString().replace(/[:.]/g, "-");
  const path = join(folder, `${report.bench}-${stamp}.json`);
  writeFileSync(path, `${JSON.stringify({ at: at.toISOString(), ...report }, undefined, 2)}\n`);
  return path;
}
