import type { Figure } from "../../report/report.ts";
import { medianOf, spreadOf } from "../../report/statistics.ts";
import { formatNumber, formatTable } from "../../report/table.ts";
import type { DurableRound } from "./durable-rivals.ts";

/** Medians over the rounds of one system at one level. */
export interface DurableSummary {
  readonly system: string;
  readonly inFlight: number;
  readonly tasksPerSecond: number;
  readonly spread: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuMsPerTask: number;
  readonly commitsPerTask: number;
  readonly walKibPerTask: number;
  readonly failureCount: number;
}

/** Condenses all rounds; what a system does not have is NaN. */
export function summarise(
  systems: readonly string[],
  levels: readonly number[],
  rounds: readonly DurableRound[],
): readonly DurableSummary[] {
  return levels.flatMap((inFlight) =>
    systems.map((system) => {
      const own = rounds.filter((each) => each.system === system && each.inFlight === inFlight);
      const median = (of: (round: DurableRound) => number | undefined) =>
        medianOf(own.flatMap((round) => of(round) ?? []).filter(Number.isFinite));
      return {
        system,
        inFlight,
        tasksPerSecond: median((round) => round.tasksPerSecond),
        spread: spreadOf(own.map((round) => round.tasksPerSecond)),
        p50Ms: median((round) => round.p50Ms),
        p99Ms: median((round) => round.p99Ms),
        cpuMsPerTask: median((round) => round.cpuMsPerTask),
        commitsPerTask: median((round) => round.commitsPerTask),
        walKibPerTask: median((round) => round.walKibPerTask),
        failureCount: own.reduce((sum, round) => sum + round.failureCount, 0),
      };
    }),
  );
}

/** One row a level and system. */
export function tableOf(summaries: readonly DurableSummary[]): string {
  const header = [
    "system",
    "under way",
    "tasks/s",
    "÷ dbos",
    "spread",
    "p50 ms",
    "p99 ms",
    "CPU ms/task",
    "commits/task",
    "WAL KiB/task",
    "failures",
  ];
  const rows = summaries.map((each) => {
    const base = summaries.find(
      ({ system, inFlight }) => system === "dbos" && inFlight === each.inFlight,
    );
    return [
      each.system,
      formatNumber(each.inFlight),
      formatNumber(each.tasksPerSecond, 1),
      formatNumber(base === undefined ? undefined : each.tasksPerSecond / base.tasksPerSecond, 2),
      `${formatNumber(each.spread * 100)} %`,
      formatNumber(each.p50Ms, 1),
      formatNumber(each.p99Ms, 1),
      formatNumber(each.cpuMsPerTask, 1),
      formatNumber(each.commitsPerTask, 1),
      formatNumber(each.walKibPerTask, 1),
      formatNumber(each.failureCount),
    ];
  });
  return formatTable(header, rows);
}

/** The same for machines; what was not measured has no figure. */
export function figuresOf(summaries: readonly DurableSummary[]): Figure[] {
  return summaries.flatMap((each) => {
    const at = (figure: string) => `durable-rivals.${each.system}.${each.inFlight}.${figure}`;
    const figures: Figure[] = [
      { name: at("tasks_per_second"), value: each.tasksPerSecond, unit: "1/s" },
      { name: at("p50"), value: each.p50Ms, unit: "ms" },
      { name: at("p99"), value: each.p99Ms, unit: "ms" },
      { name: at("cpu_per_task"), value: each.cpuMsPerTask, unit: "ms" },
      { name: at("commits_per_task"), value: each.commitsPerTask, unit: "1" },
      { name: at("wal_per_task"), value: each.walKibPerTask, unit: "KiB" },
      { name: at("failures"), value: each.failureCount, unit: "tasks" },
    ];
    return figures.filter(({ value }) => Number.isFinite(value));
  });
}
