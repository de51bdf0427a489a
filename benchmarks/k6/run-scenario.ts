import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { machineFacts } from "../report/machine.ts";
import type { BenchReport, Figure } from "../report/report.ts";
import { formatNumber, formatTable } from "../report/table.ts";
import { startReplica } from "../system/start-replica.ts";
import { type RunningSystem, startSystem } from "../system/start-system.ts";
import { writeProtoset } from "./protoset.ts";

/** How hard and how long. */
export interface ScenarioPlan {
  readonly scenario: string;
  readonly durationSeconds: number;
  readonly sessionsPerSecond: number;
  /** Sessions under way at once; more are dropped, and a dropped one fails the run. */
  readonly sessionsMax: number;
  readonly thinkSeconds: number;
  readonly replicas: number;
}

/** What a run ended with. */
export interface ScenarioResult {
  readonly report: BenchReport;
  /** True when k6 ran and every threshold held. */
  readonly ok: boolean;
}

/** The parts of k6's summary that are read here. */
interface K6Summary {
  readonly metrics: Readonly<
    Record<
      string,
      {
        readonly values: Readonly<Record<string, number>>;
        readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
      }
    >
  >;
}

/** Time for the last sessions to end, and for k6 itself, beyond the scenario's duration. */
const slackSeconds = 90;

/** Boots the system on simulated replicas, runs a scenario against it, stops everything. */
export async function runScenario(
  k6: { readonly path: string; readonly origin: string },
  plan: ScenarioPlan,
  onProgress: (text: string) => void,
): Promise<ScenarioResult> {
  const machine = machineFacts();
  const folder = mkdtempSync(join(tmpdir(), "warmpath-k6-"));
  const replicas: { readonly url: string; stop(): Promise<void> }[] = [];
  try {
    for (let index = 1; index <= plan.replicas; index++) {
      replicas.push(await startReplica(["--seed", String(index)]));
    }
    onProgress(`booting the system on ${plan.replicas} simulated replicas`);
    const system = await startSystem({ upstreamUrls: replicas.map(({ url }) => url) });
    try {
      const summaryPath = join(folder, "summary.json");
      onProgress(`running ${plan.scenario} for ${plan.durationSeconds} s`);
      const status = await runK6(k6.path, plan, system, folder, summaryPath);
      // k6 writes this file through the scenario's handleSummary.
      const summary = JSON.parse(readFileSync(summaryPath, "utf8")) as K6Summary;
      return { ok: status === 0, report: reportOf(plan, k6.origin, summary, machine, status) };
    } finally {
      await system.stop();
    }
  } finally {
    await Promise.all(replicas.map((replica) => replica.stop()));
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runK6(
  path: string,
  plan: ScenarioPlan,
  system: RunningSystem,
  folder: string,
  summaryPath: string,
): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const protoset = join(folder, "warmpath.protoset");
  writeProtoset(protoset);
  const script = join(import.meta.dir, `${plan.scenario}.ts`);
  const child = Bun.spawn([path, "run", "--no-usage-report", "--quiet", script], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    env: {
      ...process.env,
      WARMPATH_K6_GATEWAY: system.gatewayGrpc,
      WARMPATH_K6_KEY: system.key,
      WARMPATH_K6_PROTOSET: protoset,
      WARMPATH_K6_SUMMARY: summaryPath,
      WARMPATH_K6_DURATION: `${plan.durationSeconds}s`,
      WARMPATH_K6_RATE: String(plan.sessionsPerSecond),
      WARMPATH_K6_SESSIONS_MAX: String(plan.sessionsMax),
      WARMPATH_K6_THINK_SECONDS: String(plan.thinkSeconds),
    },
  });
  const killer = setTimeout(
    () => child.kill("SIGKILL"),
    (plan.durationSeconds + slackSeconds) * 1000,
  );
  const status = await child.exited;
  clearTimeout(killer);
  return status;
}

function reportOf(
  plan: ScenarioPlan,
  k6Origin: string,
  summary: K6Summary,
  machine: BenchReport["machine"],
  status: number,
): BenchReport {
  const trends = Object.entries(summary.metrics)
    .filter(([name]) => /^(time_to_first_token|text_gap|turn_latency|session_duration)/.test(name))
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
  const rows = trends.map(([name, { values }]) => [
    name,
    ...["count", "avg", "med", "p(95)", "p(99)", "max"].map((stat) =>
      formatNumber(values[stat], 1),
    ),
  ]);
  const figure = (metric: string, value: string) => summary.metrics[metric]?.values[value] ?? 0;
  const thresholds = Object.entries(summary.metrics).flatMap(([metric, { thresholds: held }]) =>
    Object.entries(held ?? {}).map(([bar, { ok }]) => [`${metric} ${bar}`, ok ? "held" : "BROKEN"]),
  );
  const totals =
    `sessions ${figure("iterations", "count")}, dropped ${figure("dropped_iterations", "count")}, ` +
    `failed turns ${figure("turn_failures", "passes")}, tool calls ${figure("tool_calls", "count")}, ` +
    `model answers ${figure("model_answers", "count")}`;
  return {
    bench: `k6-${plan.scenario}`,
    question: "what do people who talk with an agent wait for?",
    machine,
    parameters: { ...plan, k6: k6Origin, status },
    rounds: [summary],
    figures: trends.flatMap(([name, { values }]): Figure[] => [
      { name: `k6.${plan.scenario}.${name}.p95`, value: values["p(95)"] ?? Number.NaN, unit: "ms" },
    ]),
    table: [
      formatTable(["ms", "count", "avg", "p50", "p95", "p99", "max"], rows),
      "",
      totals,
      "",
      formatTable(["threshold", ""], thresholds),
    ].join("\n"),
    measured:
      `sessions of three turns (talk, two tools, recall), ${plan.sessionsPerSecond} a second for ${plan.durationSeconds} s, ` +
      `open loop, about ${plan.thinkSeconds} s of thinking between turns, over native gRPC against \`warmpath up\` on ` +
      `${plan.replicas} simulated replicas with the timing of an 8B model on one H100.`,
    notMeasured:
      "a real engine, contention inside it, saturation, browsers and SSE. k6 and the system share the machine; stamps " +
      "are whole milliseconds.",
    absent: [],
  };
}
