import type { Bar } from "../../report/bars.ts";
import { formatNumber, formatTable } from "../../report/table.ts";
import { describeWorkload, type WorkloadFacts } from "../facts/describe.ts";
import { type KvDemand, kvDemandOf } from "../facts/kv-demand.ts";
import { referenceBars, referenceSessions } from "../facts/reference-bars.ts";
import type { Spread } from "../facts/spreads.ts";
import { workloadOf, workloads } from "../registry.ts";
import type { CliOptions } from "./options.ts";

/**
 * What a command shows: text for people, lines for programs, and what is held against its source.
 */
export interface Shown {
  readonly text: string;
  readonly lines: readonly unknown[];
  readonly bars: readonly Bar[];
}

/** Demand ratios that the policy lab sweeps. */
const demands = [0.25, 0.5, 0.75, 1, 1.5, 2, 3];

/** Looks at one workload. */
export function showWorkload(name: string, options: CliOptions): Shown {
  const { about, facts, kv, bars } = lookAt(name, options);
  const liveSessions = demands.map((demand) => ({
    demand,
    sessions: kv.sessions(demand * options.fleetTokens),
  }));
  const { privateTokens, sharedTokens, sessionMs } = kv;
  const line = {
    workload: name,
    about,
    seed: options.seed,
    settings: options.settings,
    facts,
    kv: { privateTokens, sharedTokens, sessionMs, fleetTokens: options.fleetTokens, liveSessions },
  };
  const text = [
    `${name}: ${about}`,
    "",
    spreadTable("", facts.spreads),
    "",
    ...(Object.keys(facts.tools).length === 0
      ? []
      : [spreadTable("pause by tool, ms", facts.tools), ""]),
    countsOf(facts),
    hitsOf(facts),
    `KV: a live session keeps ${formatNumber(privateTokens)} tokens to itself on the average, for ` +
      `${formatNumber(sessionMs / 1000, 1)} s; ${formatNumber(sharedTokens)} more are shared`,
    "",
    formatTable(
      [`KV demand ÷ ${formatNumber(options.fleetTokens)} tokens`, "live sessions"],
      liveSessions.map(({ demand, sessions }) => [String(demand), formatNumber(sessions)]),
    ),
  ].join("\n");
  return { text, lines: [line], bars };
}

/** Looks at all of them, one row each. */
export function showWorkloads(options: CliOptions): Shown {
  const looks = workloads.map(({ name }) => ({ name, ...lookAt(name, options) }));
  const rows = looks.map(({ name, facts, kv }) => {
    const { spreads } = facts;
    return [
      name,
      formatNumber(facts.sessionsPerSecond, 1),
      formatNumber(spreads["turns per session"]?.mean, 1),
      formatNumber(spreads["prompt tokens"]?.p50),
      formatNumber(spreads["prompt tokens"]?.p90),
      formatNumber(spreads["output tokens"]?.p50),
      formatNumber(spreads["output tokens"]?.p90),
      percent(facts.sharedHits),
      percent(facts.infiniteCacheHits),
      formatNumber(kv.privateTokens),
    ];
  });
  const header = [
    "workload",
    "sessions/s",
    "turns, mean",
    "prompt p50",
    "p90",
    "output p50",
    "p90",
    "hits: others'",
    "hits: all",
    "KV a session",
  ];
  const lines = looks.map(
    ({ name, about, facts, kv: { privateTokens, sharedTokens, sessionMs } }) => ({
      workload: name,
      about,
      seed: options.seed,
      facts,
      kv: { privateTokens, sharedTokens, sessionMs },
    }),
  );
  return { text: formatTable(header, rows), lines, bars: looks.flatMap(({ bars }) => bars) };
}

interface Look {
  readonly about: string;
  readonly facts: WorkloadFacts;
  readonly kv: KvDemand;
  readonly bars: readonly Bar[];
}

function lookAt(name: string, { settings, seed, sessions }: CliOptions): Look {
  const workload = workloadOf(name, settings);
  const facts = describeWorkload(workload, { seed, sessions });
  const kv = kvDemandOf(workload, { seed, sampleSessions: Math.min(sessions, 1_000) });
  const isAsItIs = Object.keys(settings).length === 0 && sessions >= referenceSessions;
  const bars = isAsItIs ? referenceBars(name, facts) : [];
  return { about: workload.about, facts, kv, bars };
}

/** Quantiles of several quantities, a row each. */
export function spreadTable(title: string, spreads: Readonly<Record<string, Spread>>): string {
  const rows = Object.entries(spreads).map(([name, { count, p10, p50, p90, p99, mean }]) => [
    name,
    ...[p10, p50, p90, p99].map((value) => formatNumber(value)),
    formatNumber(mean, mean < 100 ? 1 : 0),
    formatNumber(count),
  ]);
  return formatTable([title, "p10", "p50", "p90", "p99", "mean", "count"], rows);
}

export function percent(share: number): string {
  return `${formatNumber(100 * share, 1)} %`;
}

function countsOf(facts: WorkloadFacts): string {
  const { sessions, sessionsPerSecond, tenants, turns, largestTwoTenants } = facts;
  return (
    `${formatNumber(sessions)} sessions (${formatNumber(sessionsPerSecond, 2)} a second) of ${tenants} tenants ` +
    `(the two largest have ${percent(largestTwoTenants)}), ${formatNumber(turns)} turns, ` +
    `${formatNumber(facts.subagents)} subagents, ${formatNumber(facts.abandonedTurns)} clients that leave, ` +
    `${formatNumber(facts.rewrittenTurns)} contexts rewritten`
  );
}

function hitsOf({ infiniteCacheHits, sharedHits }: WorkloadFacts): string {
  return (
    `Infinite cache: ${percent(infiniteCacheHits)} of prompt tokens, ` +
    `${percent(sharedHits)} because another session had them before`
  );
}
