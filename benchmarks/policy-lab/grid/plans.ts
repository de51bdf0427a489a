import { defaultPolicies } from "../policies/index.ts";
import { infiniteCache, type Scenario } from "../result.ts";
import { type CellJob, cellsOf, type GridAxes } from "./axes.ts";
import { loadsToSaturation, openLoadOf } from "./open-load.ts";

/** What a person may set; absent: the plan's own. */
export type GridSettings = Partial<Omit<GridAxes, "scenarios">> & {
  readonly profile?: string;
  readonly blocks?: number;
};

/** A named set of cells. */
export interface GridPlan {
  readonly title: string;
  readonly jobs: readonly CellJob[];
}

/** How much is run; a person's settings win. */
export type GridSize = "default" | "large" | "quick" | "tiny";

const defaultWorkload = "agent-lite";

type Windows = Pick<GridAxes, "warmupMs" | "measuredMs" | "openMeasuredMs">;

interface SizePreset {
  /** For grids and sweeps alike. */
  readonly settings: GridSettings & Windows;
  /** For the grid; a sweep has its own. */
  readonly grid: GridSettings;
}

const presets: Readonly<Record<Exclude<GridSize, "large">, SizePreset>> = {
  default: {
    settings: {
      seeds: 5,
      // A cold start takes the fleet 30 s of prefill at the highest demand; 50 s leave room.
      warmupMs: 50_000,
      measuredMs: 100_000,
      // Four times the mean job: completion times of long jobs are to be seen.
      openMeasuredMs: 300_000,
    },
    // From "everything fits four times over" to "a third fits": the cliff lies in between.
    grid: { replicas: [4, 8], demands: [0.25, 0.5, 0.75, 1, 1.5, 3] },
  },
  // A glance in about a minute.
  quick: {
    settings: { seeds: 2, warmupMs: 30_000, measuredMs: 60_000, openMeasuredMs: 60_000 },
    grid: { replicas: [4], demands: [0.5, 1, 3] },
  },
  // Seconds: shows only that the lab works.
  tiny: {
    settings: {
      policies: ["random", "warmpath", infiniteCache],
      profile: "tiny",
      seeds: 2,
      warmupMs: 2000,
      measuredMs: 5000,
      openMeasuredMs: 5000,
    },
    grid: { replicas: [2], demands: [0.5, 2] },
  },
};

/**
 * A router that scrapes four times a second and hears of KV events within a step: what the best of
 * them do; how much worse does to each policy is what the sweeps are for.
 */
function baseline({ profile = "llama-8b-h100", blocks }: GridSettings): Scenario {
  return {
    name: "baseline",
    profiles: [profile],
    ...(blocks === undefined ? {} : { blocks }),
    scrapeMs: 250,
    eventLagMs: 10,
    eventLoss: 0,
  };
}

/** Every axis set, by the settings or as in the default grid. */
function axesOf(settings: GridSettings): GridAxes {
  const { profile: _profile, blocks: _blocks, ...axes } = settings;
  return {
    policies: [...defaultPolicies.map(({ name }) => name), infiniteCache],
    workload: defaultWorkload,
    replicas: [8],
    demands: [1],
    loads: [openLoadOf(axes.workload ?? defaultWorkload)],
    regimes: ["saturation", "open"],
    scenarios: [baseline(settings)],
    seeds: 5,
    ...presets.default.settings,
    ...axes,
  };
}

/**
 * The grid of a size. Default: two fleets, six demands at saturation and one open load below it,
 * all policies, five seeds. Large: more fleets, and every sweep.
 */
export function gridPlan(size: GridSize, settings: GridSettings): GridPlan {
  if (size === "large") return largePlan(settings);
  const preset = presets[size];
  const axes = axesOf({ ...preset.grid, ...preset.settings, ...settings });
  return { title: `${capitalised(size)} grid`, jobs: cellsOf(axes) };
}

type SweepOf = (settings: GridSettings) => GridAxes;

/** One dimension each; the others as in the default grid on its larger fleet, with full KV. */
export const sweeps = {
  demand: (settings) =>
    axesOf({
      regimes: ["saturation"],
      demands: [0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1, 1.25, 1.5, 2, 3],
      ...settings,
    }),
  replicas: (settings) =>
    axesOf({
      regimes: ["saturation"],
      replicas: [2, 4, 8, 16, 32, 64, 128, 256],
      ...settings,
    }),
  load: (settings) =>
    axesOf({
      regimes: ["open"],
      loads: loadsToSaturation(settings.workload ?? defaultWorkload),
      ...settings,
    }),
  staleness: (settings) =>
    withScenarios(settings, (scenario) =>
      [50, 250, 1000, 5000, 15_000].map((scrapeMs) => ({
        ...scenario,
        name: `scrape=${scrapeMs}ms`,
        scrapeMs,
      })),
    ),
  events: (settings) =>
    withScenarios(settings, (scenario) => [
      scenario,
      ...[100, 1000, 10_000].map((eventLagMs) => ({
        ...scenario,
        name: `event lag=${eventLagMs}ms`,
        eventLagMs,
      })),
      ...[0.01, 0.05, 0.2, 1].map((eventLoss) => ({
        ...scenario,
        name: `event loss=${eventLoss}`,
        eventLoss,
      })),
    ]),
  heterogeneous: (settings) =>
    withScenarios(settings, (scenario) => [
      scenario,
      { ...scenario, name: "half H200", profiles: [...scenario.profiles, "llama-8b-h200"] },
      { ...scenario, name: "one 3x slower", slow: { replicas: 1, factor: 3 } },
    ]),
  failing: (settings) => {
    const { warmupMs, measuredMs } = axesOf(settings);
    const failing = {
      atMs: warmupMs + measuredMs * 0.25,
      backAtMs: warmupMs + measuredMs * 0.5,
    };
    return withScenarios(settings, (scenario) => [
      scenario,
      { ...scenario, name: "one dies and returns", failing },
    ]);
  },
} as const satisfies Readonly<Record<string, SweepOf>>;

export type SweepName = keyof typeof sweeps;

/** The cells of one sweep. */
export function sweepPlan(name: SweepName, size: GridSize, settings: GridSettings): GridPlan {
  const preset = presets[size === "large" ? "default" : size];
  const jobs = cellsOf(sweeps[name]({ ...preset.settings, ...settings }));
  return { title: `Sweep: ${name}`, jobs };
}

function largePlan(settings: GridSettings): GridPlan {
  const { grid } = presets.default;
  const fleets = [2, 4, 8, 16, 32];
  const names = Object.keys(sweeps) as SweepName[];
  const jobs = [
    ...cellsOf(axesOf({ ...grid, replicas: fleets, ...settings })),
    ...names.flatMap((name) => cellsOf(sweeps[name](settings))),
  ];
  return { title: "Large grid", jobs: distinct(jobs) };
}

function withScenarios(
  settings: GridSettings,
  scenariosOf: (scenario: Scenario) => readonly Scenario[],
): GridAxes {
  return { ...axesOf(settings), scenarios: scenariosOf(baseline(settings)) };
}

/** Sweeps meet where their settings are the default's. */
function distinct(jobs: readonly CellJob[]): readonly CellJob[] {
  const bySpec = new Map(jobs.map((job) => [JSON.stringify(job.spec), job]));
  return [...bySpec.values()];
}

function capitalised(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}
