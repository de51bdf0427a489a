/**
 * `npm run bench:replay`: the requests of a day's receipts once more, under the recorded decisions
 * and under other policies. Progress goes to stderr, a table or JSON lines to stdout; the status is
 * 1 when a turn got lost.
 */
import { join } from "node:path";
import { messageOf } from "@warmpath/runtime/base";
import { barOf, exitCodeOf, formatBars } from "../report/bars.ts";
import { readFlags } from "../report/flags.ts";
import { formatNumber, formatTable } from "../report/table.ts";
import { readReceipts } from "./read-receipts.ts";
import { recordedName } from "./recorded-policy.ts";
import { policyOf, type ReplayFleet, receiptsRow, replay } from "./replay.ts";
import type { Recording, ReplayRow } from "./types.ts";

const help = `npm run bench:replay -- RECEIPTS.jsonl… [flags]

  Plays the requests of receipts (WARMPATH_PROXY_RECEIPTS_FOLDER) on simulated engines, in virtual time: placed
  as they were, and placed by other policies. Files may be gzip, of several days and of several proxies with
  one WARMPATH_PROXY_PROMPT_SECRET.

  --policy A,B     policies of npm run bench:lab (default: warmpath)
  --replicas N     engines (default: as many as answered)
  --profile NAME   how fast they are and what they hold (default: llama-8b-h100)
  --blocks N       KV blocks of 16 tokens of each (default: the profile's)
  --speed X        sessions arrive X times faster than they did (default: 1)
  --tiny           the example beside this bench, on two small engines: seconds
  --json           JSON lines instead of tables: the rows, then the bars
  --help           this text
`;

const example = join(import.meta.dir, "testdata/receipts-example.jsonl");
const tinyFleet: ReplayFleet = { replicas: 2, profile: "tiny", blocks: undefined, speed: 1 };

if (import.meta.main) process.exit(await main(process.argv.slice(2)));

async function main(args: string[]): Promise<number> {
  const { values, positionals } = readFlags("replay", {
    args,
    allowPositionals: true,
    options: {
      policy: { type: "string", default: "warmpath" },
      replicas: { type: "string" },
      profile: { type: "string", default: "llama-8b-h100" },
      blocks: { type: "string" },
      speed: { type: "string", default: "1" },
      tiny: { type: "boolean" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(help);
    return 0;
  }
  const isTiny = values.tiny === true;
  const files = positionals.length === 0 && isTiny ? [example] : positionals;
  if (files.length === 0) {
    process.stderr.write("replay: name files of receipts (--help tells more)\n");
    return 2;
  }
  try {
    const recording = await readReceipts(files);
    const fleet: ReplayFleet = isTiny
      ? tinyFleet
      : {
          replicas: wholeOf("replicas", values.replicas) ?? Math.max(1, recording.replicas.length),
          profile: values.profile,
          blocks: wholeOf("blocks", values.blocks),
          speed: speedOf(values.speed),
        };
    const policies = values.policy.split(",");
    // A name that there is not is told before hours are spent on those that there are.
    for (const policy of policies) policyOf(recording, policy, fleet.replicas);
    return compare(recording, policies, fleet, values.json === true);
  } catch (error) {
    process.stderr.write(`replay: ${messageOf(error)}\n`);
    return 1;
  }
}

function compare(
  recording: Recording,
  policies: readonly string[],
  fleet: ReplayFleet,
  json: boolean,
): number {
  const { requests, leftOut } = recording;
  if (requests.length === 0) throw new Error("no receipt tells of a request that was served");
  process.stderr.write(
    `replay: ${requests.length} requests, ${leftOut} without an answer left out\n`,
  );
  const rows = [receiptsRow(recording)];
  for (const policy of new Set([recordedName, ...policies])) {
    process.stderr.write(`replay: ${policy} …\n`);
    rows.push(replay(recording, policy, fleet));
  }
  const lost = rows.reduce((sum, { lostTurns }) => sum + Math.abs(lostTurns), 0);
  const bars = [barOf("replay.lost_turns", lost, "<=", 0)];
  const shown = json ? rows.map((row) => JSON.stringify(row)).join("\n") : formatRows(rows);
  process.stdout.write(`${shown}\n${json ? "" : "\n"}${formatBars(bars, { json })}\n`);
  return exitCodeOf(bars);
}

function formatRows(rows: readonly ReplayRow[]): string {
  return formatTable(
    ["policy", "turns/s", "TTFT p50 ms", "p90 ms", "hit rate %", "sessions moved", "told to wait"],
    rows.map((row) => [
      row.policy,
      formatNumber(row.turnsPerSecond, 2),
      formatNumber(row.ttftP50Ms),
      formatNumber(row.ttftP90Ms),
      formatNumber(100 * row.hitRate, 1),
      formatNumber(row.movedSessions),
      formatNumber(row.refusals),
    ]),
  );
}

function wholeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`--${name} takes a whole number above 0, not "${text}"`);
}

function speedOf(text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`--speed takes a number above 0, not "${text}"`);
}
