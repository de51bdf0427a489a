import { parseArgs } from "node:util";
import { type WorkloadOptions, workloads } from "../registry.ts";
import { mooncakeBlockTokens } from "../trace/read-trace.ts";

export const help = `npm run bench:workloads                      all workloads, and the bound of the trace in the repository
npm run bench:workloads -- NAME [flags]      one workload: lengths, pauses, what is shared, KV demand
npm run bench:workloads -- --trace FILE      a trace: its bound with an infinite cache and with finite ones

What workloads look like: figures of the plan alone, nothing is simulated.

${workloads.map(({ name, about }) => `  ${name.padEnd(16)} ${about}`).join("\n")}

  of a workload
  --sessions N         sessions looked at (default: 2000; --quick: 500; --tiny: 60)
  --seed N             default: 1
  --rate N             sessions that start in a second
  --scale N            multiplies every number of tokens
  --working-set N      tokens that cache-thrash goes round in
  --no-compaction      agents' sessions end where their context is full
  --capacity N         KV tokens of a fleet, for the table of KV demand (default: eight 8B replicas)

  of a trace in the format of Mooncake's FAST'25 release, plain or gzip
  --block-tokens N     tokens of a block (default: ${mooncakeBlockTokens})
  --continued          guess sessions from prefixes, too (keeps the trace in memory)

  --json               JSON lines instead of tables
  --help               this text

The status is 1 when a generator is further from its source than stated, or a trace's bound from the
published one, or a trace cannot be read.
`;

/** Eight replicas of 28,000 blocks of 16 tokens: an 8B model, each on one H100. */
const fleetTokens = 8 * 28_000 * 16;

/** What the command line asked for. */
export interface CliOptions {
  /** Absent: all. */
  readonly workload: string | undefined;
  readonly tracePath: string | undefined;
  readonly sessions: number;
  readonly seed: number;
  readonly settings: WorkloadOptions;
  readonly fleetTokens: number;
  readonly blockTokens: number;
  readonly isContinued: boolean;
  readonly isJson: boolean;
  readonly isHelp: boolean;
}

/** A flag that cannot be understood; the message is for whoever typed it. */
export class UsageError extends Error {}

/** Reads the command line; throws `UsageError`. */
export function parseOptions(argv: readonly string[]): CliOptions {
  const { values, positionals } = parseFlags(argv);
  const [workload, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`one workload at a time, not also ${more.join(", ")}`);
  if (workload !== undefined && values.trace !== undefined) {
    throw new UsageError("either a workload or --trace");
  }
  const known = workloads.map(({ name }) => name);
  if (workload !== undefined && !known.includes(workload)) {
    throw new UsageError(`no workload is called "${workload}": ${known.join(", ")}`);
  }
  const sessionsPerSecond = positive("rate", values.rate);
  const scale = positive("scale", values.scale);
  const workingSetTokens = whole("working-set", values["working-set"]);
  return {
    workload,
    tracePath: values.trace,
    sessions: whole("sessions", values.sessions) ?? sessionsOf(values),
    seed: whole("seed", values.seed) ?? 1,
    settings: {
      ...(sessionsPerSecond === undefined ? {} : { sessionsPerSecond }),
      ...(scale === undefined ? {} : { scale }),
      ...(workingSetTokens === undefined ? {} : { workingSetTokens }),
      ...(values["no-compaction"] === true ? { compacts: false } : {}),
    },
    fleetTokens: whole("capacity", values.capacity) ?? fleetTokens,
    blockTokens: whole("block-tokens", values["block-tokens"]) ?? mooncakeBlockTokens,
    isContinued: values.continued === true,
    isJson: values.json === true,
    isHelp: values.help === true,
  };
}

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        trace: text,
        sessions: text,
        seed: text,
        rate: text,
        scale: text,
        "working-set": text,
        "no-compaction": flag,
        capacity: text,
        "block-tokens": text,
        continued: flag,
        quick: flag,
        tiny: flag,
        json: flag,
        help: flag,
      },
    });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function sessionsOf(size: { readonly quick?: boolean; readonly tiny?: boolean }): number {
  if (size.tiny === true) return 60;
  return size.quick === true ? 500 : 2_000;
}

function positive(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isFinite(number) && number > 0) return number;
  throw new UsageError(`--${name} must be a number above 0, not "${value}"`);
}

function whole(name: string, value: string | undefined): number | undefined {
  const number = positive(name, value);
  if (number === undefined || Number.isSafeInteger(number)) return number;
  throw new UsageError(`--${name} must be a whole number, not "${value}"`);
}
