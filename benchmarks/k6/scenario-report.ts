import type { Bar } from "../report/bars.ts";
import type { MachineFacts } from "../report/machine.ts";
import type { BenchReport, Figure } from "../report/report.ts";
import { formatNumber, formatTable } from "../report/table.ts";
import type { K6Program } from "./find-k6.ts";
import type { K6Plan } from "./lib/plan.ts";
import { type K6Summary, serveSummary } from "./lib/serve-summary.ts";
import type { ScenarioPlan } from "./run-scenario.ts";

/** What a run ended with. */
export interface ScenarioRun {
  readonly report: BenchReport;
  /** One per threshold. */
  readonly bars: readonly Bar[];
  /** True when k6 ran and every bar held. */
  readonly ok: boolean;
}

const trendPattern =
  /^(ttft_ms|itl_ms|tpot_ms|e2el_ms|turn_latency_ms|job_completion_ms|cost_per_task_usd)/;

/** Makes the report of a run from k6's summary. */
export function scenarioReport(run: {
  readonly plan: ScenarioPlan;
  readonly k6: K6Program;
  readonly k6Plan: K6Plan;
  readonly summary: K6Summary;
  readonly machine: MachineFacts;
  readonly status: number;
  readonly bars: readonly Bar[];
  readonly absent: readonly string[];
}): ScenarioRun {
  const { plan, summary } = run;
  const { setup } = plan;
  const facts = serveSummary(summary, {
    scenario: setup.name,
    requestRate: plan.sessionsPerSecond,
  });
  const count = (metric: string, stat = "count") => summary.metrics[metric]?.values[stat] ?? 0;
  const totals =
    `sessions ${count("iterations")}, dropped ${count("dropped_iterations")}, ` +
    `failed turns ${count("turn_failures", "passes")}, ` +
    `good turns ${count("good_turns")} of ${count("ended_turns")}, ` +
    `tokens in ${formatNumber(count("input_tokens"))} ` +
    `(${formatNumber(count("cached_input_tokens"))} cached), out ${formatNumber(count("output_tokens"))}`;
  const how = { sse: "server-sent events", grpc: "native gRPC", http: "buffered HTTP" };
  const { sessionsPath, transport } = run.k6Plan;
  const report: BenchReport = {
    bench: `k6-${setup.name}`,
    question: setup.about,
    machine: run.machine,
    parameters: { ...plan, k6: run.k6.origin, transport, status: run.status },
    rounds: [{ summary, serve: facts }],
    figures: Object.entries(facts).flatMap(([name, value]): Figure[] =>
      typeof value === "number"
        ? [{ name: `k6.${setup.name}.${name}`, value, unit: name.endsWith("_ms") ? "ms" : "" }]
        : [],
    ),
    table: [trendTable(summary), "", totals].join("\n"),
    measured:
      `${plan.sessionsPerSecond} sessions a second for ${plan.durationSeconds} s, open loop, against \`warmpath up\` on ` +
      `${plan.replicas} simulated replicas (8B on one H100)${sessionsPath === "" ? ", over native gRPC" : `; model calls over ${how[transport]}`}.`,
    notMeasured:
      "a real engine, a network, and saturation. k6 and the system share the machine; gRPC stamps are whole milliseconds.",
    absent: run.absent,
  };
  return { report, bars: run.bars, ok: run.status === 0 && run.bars.every(({ ok }) => ok) };
}

function trendTable(summary: K6Summary): string {
  const rows = Object.entries(summary.metrics)
    .filter(([name, { values }]) => trendPattern.test(name) && values["p(95)"] !== undefined)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, { values }]) => [
      name,
      formatNumber(values["count"]),
      ...["avg", "med", "p(95)", "p(99)", "max"].map((stat) =>
        formatNumber(values[stat], name.startsWith("cost") ? 6 : 1),
      ),
    ]);
  return formatTable(["", "count", "mean", "p50", "p95", "p99", "max"], rows);
}
