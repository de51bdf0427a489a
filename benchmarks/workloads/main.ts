/**
 * `npm run bench:workloads -- <name> | --trace FILE`: what a workload looks like. Figures of the
 * plan alone: nothing is simulated.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { formatNumber, formatTable } from "../report/table.ts";
import { CacheBoundCounter } from "./cache-bound.ts";
import { describeSessions, type WorkloadFacts } from "./describe.ts";
import { workloadOf, workloads } from "./index.ts";
import { readTrace } from "./mooncake.ts";

const help = `npm run bench:workloads -- <name> [flags]
npm run bench:workloads -- --trace FILE

${workloads.map(({ name, about }) => `  ${name.padEnd(16)} ${about}`).join("\n")}

  --trace FILE    a trace in the format of Mooncake's FAST'25 release, plain or .gz: its bound with an infinite
                  cache, and with one cache of several sizes
  --sessions N    how many sessions to look at (default 2000)
  --seed N        default 1
  --json          one JSON object instead of tables
  --help          this text
`;

/** Cache sizes of the curve, in tokens: one 8B replica on an H100 holds about 450,000. */
const curveTokens = [0.5e6, 1.5e6, 5e6, 15e6, 26e6];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    trace: { type: "string" },
    sessions: { type: "string", default: "2000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean" },
    help: { type: "boolean" },
  },
});
const isJson = values.json === true;
if (values.help === true) {
  process.stdout.write(help);
} else if (values.trace !== undefined) {
  process.exitCode = await sayTrace(values.trace);
} else if (positionals.length === 1) {
  process.exitCode = sayWorkload(positionals[0] ?? "");
} else {
  process.stderr.write(help);
  process.exitCode = 2;
}

function sayWorkload(name: string): number {
  const sessions = Number(values.sessions);
  if (!Number.isSafeInteger(sessions) || sessions < 1 || sessions > 1_000_000) {
    return refuse(`--sessions must be a whole number from 1 to 1000000, not ${values.sessions}`);
  }
  try {
    const workload = workloadOf(name);
    const facts = describeSessions(workload.sessions(Number(values.seed)), sessions);
    process.stdout.write(isJson ? `${JSON.stringify({ name, ...facts })}\n` : tableOf(facts));
    return 0;
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function tableOf(facts: WorkloadFacts): string {
  const rows = Object.entries(facts.spreads).map(([name, { p10, p50, p90, p99, mean }]) => [
    name,
    ...[p10, p50, p90, p99, mean].map((value) => formatNumber(value)),
  ]);
  return [
    formatTable(["", "p10", "p50", "p90", "p99", "mean"], rows),
    "",
    `${facts.sessions} sessions (${formatNumber(facts.sessionsPerSecond, 2)} a second) of ${facts.tenants} tenants, ` +
      `${facts.turns} turns, ${facts.children} subagents, ${facts.abandonedTurns} clients that leave`,
    `Infinite cache: ${formatNumber(100 * facts.infiniteCacheHits, 1)} % of prompt tokens`,
    "",
  ].join("\n");
}

async function sayTrace(path: string): Promise<number> {
  if (!existsSync(path)) return refuse(`--trace: there is no file ${path}`);
  const infinite = new CacheBoundCounter();
  const finite = curveTokens.map((tokens) => ({ tokens, counter: new CacheBoundCounter(tokens) }));
  try {
    for await (const request of readTrace(path)) {
      infinite.add(request);
      for (const { counter } of finite) counter.add(request);
    }
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  const { bound } = infinite;
  const curve = finite.map(({ tokens, counter }) => ({ cacheTokens: tokens, ...counter.bound }));
  if (isJson) {
    process.stdout.write(`${JSON.stringify({ trace: path, bound, curve })}\n`);
    return 0;
  }
  const percent = (share: number) => `${formatNumber(100 * share, 1)} %`;
  const rows = [
    ...curve.map(({ cacheTokens, blockHits, tokenHits }) => [
      `${formatNumber(cacheTokens / 1e6, 1)} M tokens`,
      percent(blockHits),
      percent(tokenHits),
    ]),
    ["infinite", percent(bound.blockHits), percent(bound.tokenHits)],
  ];
  process.stdout.write(
    `${formatNumber(bound.requests)} requests, ${formatNumber(bound.uniqueBlocks)} unique of ` +
      `${formatNumber(bound.blocks)} blocks, ${formatNumber(bound.tokens)} prompt tokens\n\n` +
      `${formatTable(["one cache of", "blocks hit", "tokens hit"], rows)}\n`,
  );
  return 0;
}

function refuse(why: string): number {
  process.stderr.write(`bench:workloads: ${why}\n`);
  return 2;
}
