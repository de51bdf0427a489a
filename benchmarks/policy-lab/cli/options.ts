import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { profiles } from "../../engine/index.ts";
import {
  type GridPlan,
  type GridSettings,
  type GridSize,
  gridPlan,
  type SweepName,
  sweepPlan,
  sweeps,
} from "../grid/plans.ts";
import { policyNamed } from "../policies/index.ts";
import type { PublishedSize } from "../published/index.ts";
import { infiniteCache, type Regime } from "../result.ts";
import { traceName, workloadNames } from "../workload-named.ts";

export const help = `npm run bench:lab -- [flags]

Runs placement policies over a simulated fleet in virtual time. Without flags: the default grid,
which takes at most 15 minutes on two cores.

  what runs
  --policies A,B       names of policies, and "infinite-cache" (default: all)
  --workload NAME      name of a workload (default: agent-lite)
  --trace FILE         replay a trace in Mooncake's format instead of a workload
  --replicas 4,8       fleet sizes
  --demand 0.5,1       KV demand ÷ capacity at saturation: sets the job slots. With --regime open and in
                       the sweep "load" it is the open load
  --load 0.25          the same in the open regime: sets the arrivals; for a trace: times its own pace
                       (default: one below saturation, by workload)
  --regime R           saturation, open or both (default: both)
  --seeds N            seeds 1 to N (default: 5)
  --profile NAME       engine profile of every replica (default: llama-8b-h100)
  --blocks N           KV blocks of each replica (default: the profile's)
  --sweep NAME         ${Object.keys(sweeps).join(", ")}
  --large              every sweep and more fleets: hours; goes on where it was stopped
  --published          only the comparison with published results, which the grids end with
  --quick, --tiny      about a minute; a few seconds. Too noisy to quote
  --warmup S, --measure S   virtual seconds that are dropped, then measured

  how
  --out DIR            report.html, report.json and cells.jsonl (default: benchmarks/results/local/…)
  --resume             keep the finished cells of an earlier run of the same code in --out
  --workers N          processes (default: one a core; 0: none but this one)
  --json               bars as JSON lines instead of tables
  --help               this text

Ctrl-C reports what is finished. The status is not 0 when a bar is missed or a cell failed.
`;

/** What the command line asked for. */
export interface LabOptions {
  /** Absent: only the published comparison. */
  readonly plan: GridPlan | undefined;
  /** The comparison with published results; absent: none. */
  readonly published: PublishedSize | undefined;
  /** Plain default grid: the one that has a bar on its time. */
  readonly isDefaultGrid: boolean;
  readonly tracePath: string | undefined;
  readonly outName: string;
  readonly out: string | undefined;
  readonly resume: boolean;
  readonly workers: number;
  readonly json: boolean;
  readonly help: boolean;
}

const publishedSizes = {
  default: "full",
  large: "full",
  quick: "quick",
  tiny: "tiny",
} as const satisfies Readonly<Record<GridSize, PublishedSize>>;

/** A flag that cannot be understood; the message is for whoever typed it. */
export class UsageError extends Error {}

/** Reads the command line; throws `UsageError` with the known names for an unknown one. */
export function parseLabOptions(argv: readonly string[]): LabOptions {
  const values = parseFlags(argv);
  const settings = settingsOf(values);
  const sweep = values.sweep === undefined ? undefined : known("sweep", sweepNames, values.sweep);
  const size = sizeOf(values);
  const isPlain = sweep === undefined && isUntouched(settings);
  const onlyPublished = values.published === true;
  if (onlyPublished && !isPlain) throw new UsageError("--published goes with no other grid");
  const plan = sweep === undefined ? gridPlan(size, settings) : sweepPlan(sweep, size, settings);
  return {
    plan: onlyPublished ? undefined : plan,
    published: isPlain ? publishedSizes[size] : undefined,
    isDefaultGrid: size === "default" && isPlain,
    tracePath: values.trace,
    outName: [size, sweep, isUntouched(settings) ? undefined : "custom"]
      .filter((part) => part !== undefined)
      .join("-"),
    out: values.out,
    resume: values.resume === true || size === "large",
    workers:
      values.workers === undefined ? availableParallelism() : wholeOf("workers", values.workers, 0),
    json: values.json === true,
    help: values.help === true,
  };
}

type Flags = ReturnType<typeof parseFlags>;

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;

function parseFlags(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        policies: text,
        workload: text,
        trace: text,
        replicas: text,
        demand: text,
        load: text,
        regime: text,
        seeds: text,
        profile: text,
        blocks: text,
        sweep: text,
        warmup: text,
        measure: text,
        out: text,
        workers: text,
        published: flag,
        large: flag,
        quick: flag,
        tiny: flag,
        resume: flag,
        json: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

const sweepNames = Object.keys(sweeps) as SweepName[];
const regimes = ["saturation", "open"] as const satisfies readonly Regime[];

function settingsOf(values: Flags): GridSettings {
  const measuredMs =
    values.measure === undefined ? undefined : 1000 * numberOf("measure", values.measure);
  const demands = values.demand === undefined ? undefined : numbersOf("demand", values.demand);
  return definedOf<GridSettings>({
    policies: values.policies === undefined ? undefined : policiesOf(values.policies),
    workload: workloadOf(values),
    replicas:
      values.replicas === undefined
        ? undefined
        : values.replicas.split(",").map((part) => wholeOf("replicas", part, 1)),
    demands,
    loads: loadsOf(values, demands),
    regimes:
      values.regime === undefined || values.regime === "both"
        ? undefined
        : [known("regime", regimes, values.regime)],
    seeds: values.seeds === undefined ? undefined : wholeOf("seeds", values.seeds, 1),
    warmupMs: values.warmup === undefined ? undefined : 1000 * numberOf("warmup", values.warmup),
    measuredMs,
    openMeasuredMs: measuredMs,
    profile:
      values.profile === undefined
        ? undefined
        : known("profile", Object.keys(profiles), values.profile),
    blocks: values.blocks === undefined ? undefined : wholeOf("blocks", values.blocks, 1),
  });
}

/** With both regimes in one grid, demands are for saturation: the open load stays below it. */
function loadsOf(
  { load, regime, sweep }: Flags,
  demands: readonly number[] | undefined,
): readonly number[] | undefined {
  if (load !== undefined) return numbersOf("load", load);
  return regime === "open" || sweep === "load" ? demands : undefined;
}

/** The settings without those that nobody set. */
function definedOf<T extends object>(settings: { [Key in keyof T]: T[Key] | undefined }): T {
  return Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== undefined),
  ) as T;
}

function workloadOf({ workload, trace }: Flags): string | undefined {
  if (workload !== undefined && trace !== undefined) {
    throw new UsageError("give --workload or --trace, not both");
  }
  if (trace !== undefined) return traceName(basename(trace));
  return workload === undefined ? undefined : known("workload", workloadNames, workload);
}

function policiesOf(names: string): readonly string[] {
  return names.split(",").map((name) => {
    if (name === infiniteCache) return name;
    try {
      return policyNamed(name).name;
    } catch (error) {
      throw new UsageError(error instanceof Error ? error.message : String(error), {
        cause: error,
      });
    }
  });
}

function sizeOf({ large, quick, tiny }: Flags): GridSize {
  const given = (["large", "quick", "tiny"] as const).filter(
    (name) => ({ large, quick, tiny })[name] === true,
  );
  if (given.length > 1) throw new UsageError(`give one of --${given.join(", --")}`);
  return given[0] ?? "default";
}

function isUntouched(settings: GridSettings): boolean {
  return Object.keys(settings).length === 0;
}

function known<const Name extends string>(
  what: string,
  names: readonly Name[],
  name: string,
): Name {
  const found = names.find((one) => one === name);
  if (found !== undefined) return found;
  throw new UsageError(`no ${what} is called "${name}"; known: ${names.join(", ")}`);
}

function numbersOf(name: string, list: string): readonly number[] {
  return list.split(",").map((part) => numberOf(name, part));
}

function numberOf(name: string, part: string): number {
  const value = Number(part);
  if (part.trim() === "" || !(value > 0)) {
    throw new UsageError(`--${name} takes numbers above 0, not "${part}"`);
  }
  return value;
}

function wholeOf(name: string, part: string, least: number): number {
  const value = Number(part);
  if (part.trim() === "" || !Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`--${name} takes whole numbers from ${least} on, not "${part}"`);
  }
  return value;
}
