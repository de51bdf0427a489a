import { serviceTokens } from "@warmpath/inference-proxy/policy";
import { type Bar, barOf } from "../report/bars.ts";
import { machineFacts } from "../report/machine.ts";
import type { BenchReport } from "../report/report.ts";
import { quantileOf } from "../report/statistics.ts";
import { formatTable } from "../report/table.ts";
import { type CallRecord, type FleetResult, runFleet } from "./fleet.ts";
import type { TenantLoad } from "./loads.ts";
import {
  type FairnessPlan,
  type NoiseCase,
  noiseCases,
  type ShareCase,
  shareCases,
} from "./plan.ts";
import { barsOfPrograms, type ProgramRound, programRounds, programTable } from "./programs.ts";

/** What one tenant got in one case, all seeds together. */
interface ShareRound {
  readonly case: string;
  readonly tenant: string;
  readonly calls: number;
  readonly serviceTokens: number;
  /** Furthest from an even half of any seed, as a factor of 1 or more. */
  readonly timesOffIdeal: number;
  /** Smallest share of looks at which it had somebody waiting: below 1 it was not backlogged. */
  readonly backlogged: number;
}

/** A light tenant's p95 in ms, beside the quiet neighbour and beside the noisy one. */
interface NoiseRound {
  readonly case: string;
  readonly calls: number;
  readonly firstTokenMs: readonly [quiet: number, noisy: number];
  readonly totalMs: readonly [quiet: number, noisy: number];
  readonly hasBar: boolean;
}

/** The issue's. */
const timesOffIdealMax = 2;
const slowdownMax = 1.3;

/** Runs a plan. */
export function runFairness(
  plan: FairnessPlan,
  options: { readonly onProgress: (text: string) => void },
): { readonly report: BenchReport; readonly bars: readonly Bar[] } {
  const machine = machineFacts();
  const play = createPlayer(plan);
  const shares = shareCases(plan).flatMap((each) => {
    options.onProgress(`${each.name}: ${each.about}`);
    return shareRounds(each, play(each.loads));
  });
  const noise = noiseCases().map((each) => {
    options.onProgress(`${each.name}: ${each.about}`);
    return noiseRound(each, play);
  });
  options.onProgress(
    "programs: short jobs and long ones of one tenant, while all places are taken",
  );
  const programs = programRounds(plan);
  const bars = [
    ...shares.flatMap(barsOfShare),
    ...noise.flatMap(barsOfNoise),
    ...barsOfPrograms(programs),
  ];
  return { report: reportOf(plan, { shares, noise, programs, bars }, machine), bars };
}

/** Plays loads under every seed, each set of loads once. */
function createPlayer(plan: FairnessPlan) {
  const played = new Map<string, readonly FleetResult[]>();
  return (loads: readonly TenantLoad[]): readonly FleetResult[] => {
    const name = JSON.stringify(loads);
    const known = played.get(name);
    const results = known ?? plan.seeds.map((seed) => runFleet({ ...plan, loads, seed }));
    played.set(name, results);
    return results;
  };
}

function shareRounds(
  { name, loads }: ShareCase,
  results: readonly FleetResult[],
): readonly ShareRound[] {
  return loads.map(({ tenant }) => {
    const off = results.map(({ calls }) => {
      const ideal = served(calls) / loads.length;
      const own = served(callsOf(calls, tenant));
      return Math.max(own / ideal, ideal / own);
    });
    const own = results.flatMap(({ calls }) => callsOf(calls, tenant));
    return {
      case: name,
      tenant,
      calls: own.length,
      serviceTokens: served(own),
      timesOffIdeal: Math.max(...off),
      backlogged: Math.min(...results.map(({ backlogged }) => backlogged.get(tenant) ?? 0)),
    };
  });
}

function noiseRound(
  { name, light, beside, noisy, hasBar }: NoiseCase,
  play: (loads: readonly TenantLoad[]) => readonly FleetResult[],
): NoiseRound {
  const quiet = lightCalls(play(beside === undefined ? [light] : [light, beside]));
  const loud = lightCalls(play([light, noisy]));
  const p95s = (read: (call: CallRecord) => number) => [p95(quiet, read), p95(loud, read)] as const;
  return {
    case: name,
    calls: loud.length,
    firstTokenMs: p95s(({ firstTokenMs }) => firstTokenMs),
    totalMs: p95s(({ totalMs }) => totalMs),
    hasBar,
  };

  function lightCalls(results: readonly FleetResult[]): readonly CallRecord[] {
    return results.flatMap(({ calls }) => callsOf(calls, light.tenant));
  }
}

function callsOf(calls: readonly CallRecord[], name: string): readonly CallRecord[] {
  return calls.filter(({ tenant }) => tenant === name);
}

/** In the units in which the queue shares: cached tokens nothing, answer tokens twice. */
function served(calls: readonly CallRecord[]): number {
  return calls.reduce(
    (sum, { computedPromptTokens, outputTokens }) =>
      sum + serviceTokens(computedPromptTokens, outputTokens),
    0,
  );
}

function p95(calls: readonly CallRecord[], read: (call: CallRecord) => number): number {
  const sorted = calls.map(read).toSorted((one, other) => one - other);
  return quantileOf(sorted, 0.95);
}

function barsOfShare(round: ShareRound): readonly Bar[] {
  const name = `fairness.${round.case}.${round.tenant}`;
  return [
    barOf(`${name}.times_off_ideal`, round.timesOffIdeal, "<=", timesOffIdealMax),
    // Shares of who is not backlogged say nothing.
    barOf(`${name}.backlogged`, round.backlogged, ">=", 1),
  ];
}

function barsOfNoise({ case: name, firstTokenMs, totalMs, hasBar }: NoiseRound): readonly Bar[] {
  return hasBar
    ? [
        barOf(`fairness.${name}.ttft_p95_slowdown`, slowdownOf(firstTokenMs), "<=", slowdownMax),
        barOf(`fairness.${name}.total_p95_slowdown`, slowdownOf(totalMs), "<=", slowdownMax),
      ]
    : [];
}

function slowdownOf([quiet, noisy]: readonly [number, number]): number {
  return noisy / quiet;
}

interface Rounds {
  readonly shares: readonly ShareRound[];
  readonly noise: readonly NoiseRound[];
  readonly programs: readonly ProgramRound[];
  readonly bars: readonly Bar[];
}

function reportOf(
  plan: FairnessPlan,
  rounds: Rounds,
  machine: BenchReport["machine"],
): BenchReport {
  return {
    bench: "fairness",
    question: "what does a tenant get while another asks for more than there is?",
    machine,
    parameters: { plan, shares: shareCases(plan), noise: noiseCases() },
    rounds: [...rounds.shares, ...rounds.noise, ...rounds.programs],
    figures: rounds.bars.map(({ name, value }) => ({ name, value, unit: "" })),
    table: tablesOf(rounds),
    measured:
      "virtual time: the proxy's own queue and placement at default settings before engine models of 8B on an H100. " +
      "Service is computed prompt tokens and twice the answer's; p95 of the light tenant over all seeds.",
    notMeasured:
      "the proxy's own time, network, engines with other schedulers, several proxies before one fleet, cached prompts. " +
      "full_house has no bar: that a batch of 256 decodes slower than one of 3 is the engine's nature, whoever fills it.",
    absent: [],
  };
}

function tablesOf({ shares, noise, programs }: Rounds): string {
  const ms = (value: number) => value.toFixed(0);
  const shareTable = formatTable(
    ["two backlogged tenants", "tenant", "calls", "service, tokens", "times off ideal"],
    shares.map((round) => [
      round.case,
      round.tenant,
      String(round.calls),
      String(round.serviceTokens),
      round.timesOffIdeal.toFixed(3),
    ]),
  );
  const noiseTable = formatTable(
    ["light tenant, p95", "calls", "TTFT ms", "noisy", "×", "whole ms", "noisy", "×"],
    noise.map(({ case: name, calls, firstTokenMs, totalMs }) => [
      name,
      String(calls),
      ms(firstTokenMs[0]),
      ms(firstTokenMs[1]),
      slowdownOf(firstTokenMs).toFixed(2),
      ms(totalMs[0]),
      ms(totalMs[1]),
      slowdownOf(totalMs).toFixed(2),
    ]),
  );
  return `${shareTable}\n\n${noiseTable}\n\n${programTable(programs)}`;
}
