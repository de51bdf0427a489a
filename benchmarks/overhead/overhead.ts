import { machineFacts } from "../report/machine.ts";
import type { BenchReport, Figure } from "../report/report.ts";
import { medianOf, spreadOf } from "../report/statistics.ts";
import { formatNumber, formatTable } from "../report/table.ts";
import { type Contender, direct, nginxContender, warmpath } from "./contenders.ts";
import { type ContenderRound, measureOverhead, type OverheadPlan } from "./measure.ts";
import { findNginx } from "./nginx.ts";

/** The sizes that figures are quoted from. */
export const fullPlan: OverheadPlan = {
  rounds: 4,
  bodySizes: [1_000, 10_000],
  connections: 64,
  ratePerSecond: 300,
  warmupMs: 1_000,
  durationMs: 4_000,
};

/** A minute's look; its figures are too noisy to quote. */
export const quickPlan: OverheadPlan = { ...fullPlan, rounds: 2, warmupMs: 300, durationMs: 1_000 };

/** Enough to see that nothing is broken. */
export const tinyPlan: OverheadPlan = {
  rounds: 1,
  bodySizes: [1_000],
  connections: 4,
  ratePerSecond: 50,
  warmupMs: 50,
  durationMs: 200,
};

/**
 * Runs the bench: what the inference proxy adds to a request, against no proxy and against nginx.
 */
export async function runOverhead(
  plan: OverheadPlan,
  options: { readonly mayInstall: boolean; readonly onProgress: (text: string) => void },
): Promise<BenchReport> {
  const machine = machineFacts();
  const nginx = await findNginx(options.mayInstall);
  const contenders: Contender[] = [direct];
  if (!("absent" in nginx)) contenders.push(nginxContender(nginx.path, nginx.version));
  contenders.push(warmpath);
  const rounds = await measureOverhead(contenders, plan, options.onProgress);
  const summaries = contenders.map((contender) => summaryOf(contender, rounds, plan));
  return {
    bench: "overhead",
    question: "what does the inference proxy add to a request?",
    machine,
    parameters: { ...plan, contenders: contenders.map(({ name, what }) => ({ name, what })) },
    rounds,
    figures: summaries.flatMap(figuresOf),
    table: tableOf(summaries, plan),
    measured:
      `whole answers of about 0.4 KB from a mock upstream that answers at once; requests/s with ${plan.connections} ` +
      `connections in a closed loop, and the CPU time of the contender's processes for each; latency added to the bare upstream's in the same round at ${plan.ratePerSecond} ` +
      `requests/s with 1 KB bodies, open loop; medians of ${plan.rounds} round(s), the order turned around each round, ` +
      "every process fresh; the contender on one core, load generator and upstream together on another.",
    notMeasured:
      "streams, TTFT, bodies beyond 10 KB, memory, many replicas, TLS. The proxy checks keys, counts limits, " +
      "books placements and reads usage; nginx only relays.",
    absent: "absent" in nginx ? [nginx.absent] : [],
  };
}

interface SizeSummary {
  readonly bodyBytes: number;
  readonly median: number;
  readonly spread: number;
  readonly ratioToDirect: number;
  readonly ratioToNginx: number | undefined;
  readonly cpuUs: number | undefined;
}

interface Summary {
  readonly contender: Contender;
  readonly requestsPerSecond: readonly SizeSummary[];
  readonly addedP50Us: number;
  readonly addedP99Us: number;
  readonly p50Us: number;
  readonly failures: number;
}

function summaryOf(
  contender: Contender,
  rounds: readonly ContenderRound[],
  plan: OverheadPlan,
): Summary {
  const own = rounds.filter((each) => each.contender === contender.name);
  const requestsPerSecond = plan.bodySizes.map((bodyBytes) => {
    const values = throughputsOf(rounds, contender.name, bodyBytes);
    return {
      bodyBytes,
      median: medianOf(values),
      spread: spreadOf(values),
      ratioToDirect: medianOf(ratiosOf(values, throughputsOf(rounds, "direct", bodyBytes))),
      cpuUs: optionalMedian(
        own
          .flatMap(({ throughput }) => throughput.filter((each) => each.bodyBytes === bodyBytes))
          .flatMap(({ cpuUsPerRequest }) => cpuUsPerRequest ?? []),
      ),
      ratioToNginx: optionalMedian(ratiosOf(values, throughputsOf(rounds, "nginx", bodyBytes))),
    };
  });
  const added = (field: "p50Us" | "p99Us") =>
    medianOf(
      own.map(({ round, latency }) => {
        const floor = rounds.find((each) => each.round === round && each.contender === "direct");
        return latency[field] - (floor?.latency[field] ?? Number.NaN);
      }),
    );
  const failures = own.flatMap(({ throughput, latency }) => [...throughput, latency]);
  return {
    contender,
    requestsPerSecond,
    addedP50Us: added("p50Us"),
    addedP99Us: added("p99Us"),
    p50Us: medianOf(own.map(({ latency }) => latency.p50Us)),
    failures: failures.reduce((sum, result) => sum + result.failures, 0),
  };
}

/** Requests a second of one contender, by round. */
function throughputsOf(
  rounds: readonly ContenderRound[],
  name: Contender["name"],
  bodyBytes: number,
): number[] {
  return rounds
    .filter((each) => each.contender === name)
    .flatMap(({ throughput }) => throughput.filter((each) => each.bodyBytes === bodyBytes))
    .map(({ requestsPerSecond }) => requestsPerSecond);
}

/** Round against round, so that a slow moment of the machine falls on both. */
function ratiosOf(values: readonly number[], base: readonly number[]): number[] {
  return values.flatMap((value, index) => {
    const against = base[index];
    return against === undefined ? [] : [value / against];
  });
}

function optionalMedian(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : medianOf(values);
}

function tableOf(summaries: readonly Summary[], plan: OverheadPlan): string {
  const sizes = plan.bodySizes.map((bytes) => `${bytes / 1000} KB`);
  const header = [
    "",
    ...sizes.flatMap((size) => [`req/s ${size}`, "÷ direct", "÷ nginx", "spread", "CPU µs"]),
    "p50 µs",
    "added p50 µs",
    "added p99 µs",
    "failures",
  ];
  const rows = summaries.map((summary) => [
    summary.contender.name,
    ...summary.requestsPerSecond.flatMap((size) => [
      formatNumber(size.median),
      formatNumber(size.ratioToDirect, 2),
      formatNumber(size.ratioToNginx, 2),
      `${formatNumber(size.spread * 100)} %`,
      formatNumber(size.cpuUs),
    ]),
    formatNumber(summary.p50Us),
    formatNumber(summary.addedP50Us),
    formatNumber(summary.addedP99Us),
    formatNumber(summary.failures),
  ]);
  return formatTable(header, rows);
}

function figuresOf(summary: Summary): Figure[] {
  const { name } = summary.contender;
  return [
    ...summary.requestsPerSecond.flatMap((size) =>
      size.cpuUs === undefined
        ? []
        : [
            {
              name: `overhead.${name}.cpu_per_request.${size.bodyBytes}`,
              value: size.cpuUs,
              unit: "µs",
            },
          ],
    ),
    ...summary.requestsPerSecond.map((size) => ({
      name: `overhead.${name}.requests_per_second.${size.bodyBytes}`,
      value: size.median,
      unit: "1/s",
    })),
    { name: `overhead.${name}.added_p50`, value: summary.addedP50Us, unit: "µs" },
    { name: `overhead.${name}.added_p99`, value: summary.addedP99Us, unit: "µs" },
    { name: `overhead.${name}.failures`, value: summary.failures, unit: "requests" },
  ];
}
