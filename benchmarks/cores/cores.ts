import { contenderCore, loadCore, startMockUpstream } from "../overhead/contenders.ts";
import { startLoadGenerator } from "../overhead/run-load.ts";
import { machineFacts } from "../report/machine.ts";
import type { BenchReport } from "../report/report.ts";
import { medianOf } from "../report/statistics.ts";
import { formatNumber, formatTable } from "../report/table.ts";
import { freePort } from "../system/free-port.ts";
import { startSystem } from "../system/start-system.ts";

/** Sizes of one run. */
export interface CoresPlan {
  readonly rounds: number;
  /** Proxy processes, one case each. */
  readonly processes: readonly number[];
  readonly bodyBytes: number;
  readonly connections: number;
  readonly warmupMs: number;
  readonly durationMs: number;
}

export const fullPlan: CoresPlan = {
  rounds: 4,
  processes: [1, 2],
  bodyBytes: 10_000,
  connections: 64,
  warmupMs: 6_000,
  durationMs: 5_000,
};

export const quickPlan: CoresPlan = { ...fullPlan, rounds: 2, warmupMs: 3_000, durationMs: 2_000 };

export const tinyPlan: CoresPlan = {
  ...fullPlan,
  rounds: 1,
  connections: 8,
  warmupMs: 50,
  durationMs: 100,
};

interface Round {
  readonly round: number;
  readonly processes: number;
  readonly requestsPerSecond: number;
  readonly failures: number;
}

/** Requests a second through one shared port, by how many proxies listen on it. */
export async function runCores(
  plan: CoresPlan,
  onProgress: (text: string) => void,
): Promise<BenchReport> {
  const machine = machineFacts();
  const rounds: Round[] = [];
  for (let round = 1; round <= plan.rounds; round += 1) {
    const order = round % 2 === 1 ? plan.processes : plan.processes.toReversed();
    for (const processes of order) {
      onProgress(`round ${round} of ${plan.rounds}: ${processes} processes`);
      rounds.push({ round, processes, ...(await measure(plan, processes)) });
    }
  }
  return reportOf(plan, rounds, machine);
}

async function measure(plan: CoresPlan, processes: number) {
  const upstream = await startMockUpstream();
  const sharedPort = await freePort();
  const settings = {
    WARMPATH_PROXY_SHARED_PORT: String(sharedPort),
    WARMPATH_REPLICA_IN_FLIGHT_MAX: "8192",
  };
  const common = { upstreamUrls: [upstream.url], settings };
  const systems = [await startSystem({ ...common, core: contenderCore })];
  const load = startLoadGenerator();
  try {
    const key = systems[0]?.key ?? "";
    while (systems.length < processes) {
      systems.push(await startSystem({ ...common, key, core: loadCore }));
    }
    const { requestsPerSecond, failures, unfinished } = await load.run({
      kind: "closed",
      url: `http://127.0.0.1:${sharedPort}`,
      headers: { authorization: `Bearer ${key}` },
      mockUrl: upstream.url,
      mockPid: upstream.pid,
      bodyBytes: plan.bodyBytes,
      connections: plan.connections,
      warmupMs: plan.warmupMs,
      durationMs: plan.durationMs,
    });
    return { requestsPerSecond, failures: failures + unfinished };
  } finally {
    await load.stop();
    await Promise.all(systems.map((system) => system.stop()));
    await upstream.stop();
  }
}

function reportOf(
  plan: CoresPlan,
  rounds: readonly Round[],
  machine: BenchReport["machine"],
): BenchReport {
  const rateOf = (processes: number, round: number) =>
    rounds.find((each) => each.processes === processes && each.round === round)
      ?.requestsPerSecond ?? Number.NaN;
  const [one = 1] = plan.processes;
  const numbers = Array.from({ length: plan.rounds }, (_, index) => index + 1);
  const ratios = plan.processes.map((processes) => {
    const each = numbers.map((round) => rateOf(processes, round) / rateOf(one, round));
    return { processes, median: medianOf(each), least: Math.min(...each), most: Math.max(...each) };
  });
  const rows = ratios.map(({ processes, median, least, most }) => [
    String(processes),
    formatNumber(medianOf(numbers.map((round) => rateOf(processes, round))), 0),
    formatNumber(median, 2),
    `${formatNumber(least, 2)} to ${formatNumber(most, 2)}`,
    String(rounds.reduce((sum, r) => sum + (r.processes === processes ? r.failures : 0), 0)),
  ]);
  return {
    bench: "cores",
    question: "what does a second proxy process on the same port add?",
    machine,
    parameters: { ...plan },
    rounds,
    figures: ratios.map(({ processes, median }) => ({
      name: `requests/s of ${processes} processes ÷ ${one}`,
      value: median,
      unit: "ratio",
    })),
    table: formatTable(["processes", "requests/s", "÷ one", "rounds", "failures"], rows),
    measured: `whole answers to bodies of ${plan.bodyBytes / 1000} KB, ${plan.connections} connections to one shared port; the first proxy on core ${contenderCore}, load and upstream on core ${loadCore}, where the second proxy is, too.`,
    notMeasured: "more than two processes, which need more cores; what several know of each other.",
    absent: [],
  };
}
