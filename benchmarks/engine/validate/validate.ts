import { type Bar, barOf } from "../../report/bars.ts";
import { machineFacts } from "../../report/machine.ts";
import type { BenchReport, Figure } from "../../report/report.ts";
import { formatNumber, formatTable } from "../../report/table.ts";
import { profileOfPoint } from "./held-out-profiles.ts";
import { type MeasuredPoint, measuredPoints, measuredSource } from "./measured.ts";
import { type SimulatedPoint, simulatePoint } from "./simulate-point.ts";
import { measureSpeed, type Speed, speedLoads } from "./speed.ts";

/** How much is run. */
export interface Plan {
  readonly seeds: number;
  /** For each point and seed; the measured 8B points are means over 2,000. */
  readonly requests: number;
  /** Tokens of answers that each speed load generates. */
  readonly speedTokens: number;
}

/** All that the published figures rest on; some seconds. */
export const fullPlan: Plan = { seeds: 10, requests: 2000, speedTokens: 10_000_000 };

/** Fewer seeds. */
export const quickPlan: Plan = { seeds: 3, requests: 2000, speedTokens: 2_000_000 };

/** A second; one seed's p99 is noise, though its bar is wide enough. */
export const tinyPlan: Plan = { seeds: 1, requests: 2000, speedTokens: 500_000 };

/** What a run hands back. */
export interface Validation {
  readonly report: BenchReport;
  readonly bars: readonly Bar[];
}

/**
 * Users of a measured run by its load profile (9 system prompts × 5, 11 × 4). The generator deals
 * its prompts out round and round, one for each user.
 */
const usersOfLoad = 45;

/** One measured point beside the model's mean over seeds. */
interface Comparison {
  readonly point: MeasuredPoint;
  readonly model: SimulatedPoint;
  readonly runs: readonly SimulatedPoint[];
}

type Metric = keyof SimulatedPoint;

const metrics: readonly Metric[] = [
  "ttftMeanMs",
  "ttftP90Ms",
  "ttftP99Ms",
  "itlMeanMs",
  "e2eMeanMs",
];

/** Runs every measured point's load through the model, and measures how fast the model is. */
export function validate(plan: Plan, onProgress: (text: string) => void): Validation {
  const machine = machineFacts();
  const comparisons = measuredPoints.map((point) => {
    onProgress(`${point.name}, ${point.ratePerSecond} req/s`);
    return compare(point, plan, undefined);
  });
  onProgress("the same with prompts that repeat");
  const repeated = measuredPoints.map((point) => compare(point, plan, usersOfLoad));
  const speeds = speedLoads.map((load) => {
    onProgress(`speed: ${load.name}`);
    return measureSpeed(load, plan.speedTokens);
  });
  const bars = barsOf(comparisons, speeds);
  return {
    bars,
    report: {
      bench: "engine-validate",
      question: "how far is the engine model from measured vLLM, and how fast does it run?",
      machine,
      parameters: { ...plan, source: measuredSource },
      rounds: [...comparisons, ...repeated, ...speeds],
      figures: bars.map(figureOf),
      table: tableOf(comparisons, repeated, speeds),
      measured:
        "Latencies of the engine model under the measured servers' loads (exponential gaps at the given rate, prompts with a shared " +
        "prefix, fixed answer lengths), mean over seeds, beside vLLM 0.15.1 on H100. Fitted points chose the constants of their profile; held-out points did " +
        "not. Every prompt is new after its shared prefix, as the constants were fitted; a further table shows the errors under the other reading of the load. " +
        "Speed is answer tokens per second of CPU time on one core.",
      notMeasured:
        "Prompts over about 1,000 tokens, KV pressure, preemption, H200 and anything above 10 req/s: no public figures were found " +
        "for them. Answer lengths of the measured runs are inferred from their latencies; real ones varied.",
      absent: [],
    },
  };
}

function compare(
  point: MeasuredPoint,
  { seeds, requests }: Plan,
  distinctPrompts: number | undefined,
): Comparison {
  const profile = profileOfPoint(point.model);
  const load = { requests, ...(distinctPrompts === undefined ? {} : { distinctPrompts }) };
  const runs = Array.from({ length: seeds }, (_, index) =>
    simulatePoint(point, profile, { ...load, seed: index + 1 }),
  );
  const mean = (metric: Metric) => runs.reduce((sum, run) => sum + run[metric], 0) / runs.length;
  return {
    point,
    runs,
    model: {
      ttftMeanMs: mean("ttftMeanMs"),
      ttftP90Ms: mean("ttftP90Ms"),
      ttftP99Ms: mean("ttftP99Ms"),
      itlMeanMs: mean("itlMeanMs"),
      e2eMeanMs: mean("e2eMeanMs"),
    },
  };
}

/** The bars hold for the worst fitted point, and for the slowest load. */
function barsOf(comparisons: readonly Comparison[], speeds: readonly Speed[]): readonly Bar[] {
  const fitted = comparisons.filter(({ point }) => point.isFitted);
  const worst = (metric: Metric, distance: (ratio: number) => number) =>
    Math.max(...fitted.map((one) => distance(ratioOf(one, metric) ?? Number.NaN)));
  const error = (ratio: number) => Math.abs(ratio - 1);
  const factor = (ratio: number) => Math.max(ratio, 1 / ratio);
  const slowest = Math.min(...speeds.map(({ tokensPerSecond }) => tokensPerSecond));
  return [
    barOf("engine.itl-mean-error", worst("itlMeanMs", error), "<=", 0.1),
    barOf("engine.e2e-mean-error", worst("e2eMeanMs", error), "<=", 0.1),
    barOf("engine.ttft-mean-error", worst("ttftMeanMs", error), "<=", 0.2),
    barOf("engine.ttft-p99-factor", worst("ttftP99Ms", factor), "<=", 2),
    barOf("engine.token-events-per-second-per-core", slowest, ">=", 1_000_000),
  ];
}

function figureOf({ name, value }: Bar): Figure {
  return { name, value, unit: name.endsWith("per-core") ? "1/s" : "ratio" };
}

/** Model over measured; undefined where nobody measured. */
function ratioOf({ point, model }: Comparison, metric: Metric): number | undefined {
  const measured = point[metric];
  return measured === undefined ? undefined : model[metric] / measured;
}

function tableOf(
  comparisons: readonly Comparison[],
  repeated: readonly Comparison[],
  speeds: readonly Speed[],
): string {
  const fitted = comparisons.filter(({ point }) => point.isFitted);
  const heldOut = comparisons.filter(({ point }) => !point.isFitted);
  return [
    "Fitted points (ms)",
    latencyTable(fitted),
    "",
    "Held-out points (ms), whatever their error",
    latencyTable(heldOut),
    "",
    ...heldOut.flatMap(({ point }) =>
      point.assumed === undefined
        ? []
        : [`${point.name}, ${point.ratePerSecond} req/s: assumed ${point.assumed}`],
    ),
    "",
    `Errors if the runs' prompts repeated (${usersOfLoad} distinct ones), by the same constants`,
    formatTable(
      ["", "req/s", "TTFT", "p90", "p99", "ITL", "E2E"],
      repeated.map((one) => [
        one.point.name,
        String(one.point.ratePerSecond),
        ...metrics.map((metric) => percent(ratioOf(one, metric))),
      ]),
    ),
    "",
    "Speed, one core",
    formatTable(
      ["load", "tokens/s", "steps/s", "× real time"],
      speeds.map(({ load, tokensPerSecond, steps, cpuMs, timesRealTime }) => [
        load,
        formatNumber(tokensPerSecond),
        formatNumber((steps / cpuMs) * 1000),
        formatNumber(timesRealTime),
      ]),
    ),
  ].join("\n");
}

function latencyTable(comparisons: readonly Comparison[]): string {
  const rows = comparisons.flatMap((one) => {
    const { point, model } = one;
    return [
      [point.name, String(point.ratePerSecond), "vLLM", ...metrics.map((m) => time(m, point[m]))],
      ["", "", "model", ...metrics.map((metric) => time(metric, model[metric]))],
      ["", "", "error", ...metrics.map((metric) => percent(ratioOf(one, metric)))],
    ];
  });
  return formatTable(["", "req/s", "", "TTFT", "p90", "p99", "ITL", "E2E"], rows);
}

function time(metric: Metric, ms: number | undefined): string {
  return formatNumber(ms, metric === "itlMeanMs" ? 2 : metric === "e2eMeanMs" ? 0 : 1);
}

function percent(ratio: number | undefined): string {
  if (ratio === undefined) return "";
  const error = Math.round((ratio - 1) * 100);
  return `${error > 0 ? "+" : error < 0 ? "−" : ""}${Math.abs(error)} %`;
}
