import { seededRandom } from "@warmpath/runtime/base";
import { createHistogram } from "../../histogram.ts";
import { defaultPolicies } from "../../policies/index.ts";
import {
  type CellResult,
  type CellSpec,
  type ClassResult,
  infiniteCache,
  type LabResult,
  type Regime,
  type Scenario,
  type TenantResult,
  type Timeline,
} from "../../result.ts";

const baseline: Scenario = {
  name: "baseline",
  profiles: ["llama-3.1-8b-h100"],
  scrapeMs: 250,
  eventLagMs: 20,
  eventLoss: 0,
};

/** How many cells a made-up run has. */
export interface SampleSize {
  readonly regimes: readonly Regime[];
  readonly replicas: readonly number[];
  readonly demands: readonly number[];
  readonly seeds: readonly number[];
  readonly scenarios?: readonly Partial<Scenario>[];
}

/** A run with invented figures of plausible shape, for tests of the report. */
export function sampleRun(size: SampleSize, overrides: Partial<LabResult> = {}): LabResult {
  const names = [...defaultPolicies.map(({ name }) => name), infiniteCache];
  const scenarios = [baseline, ...(size.scenarios ?? []).map((its) => ({ ...baseline, ...its }))];
  const cells = size.regimes.flatMap((regime) =>
    size.replicas.flatMap((replicas) =>
      scenarios.flatMap((scenario) =>
        size.demands.flatMap((demand) =>
          names.flatMap((policy, skill) =>
            size.seeds.map((seed) =>
              cellOf(
                {
                  policy,
                  workload: "agent-lite",
                  regime,
                  replicas,
                  demand,
                  seed,
                  scenario,
                  warmupMs: 60_000,
                  measuredMs: 180_000,
                },
                skill / names.length,
              ),
            ),
          ),
        ),
      ),
    ),
  );
  return {
    title: "Policy lab",
    at: "2026-11-21T10:00:00.000Z",
    command: "npm run bench:lab",
    machine: { cpu: "cpu", cores: 2, memoryGib: 8, kernel: "6", bun: "1.4.5", loadAverage: 0 },
    fingerprint: "sample",
    policies: defaultPolicies.map(({ name, source, about, isOracle }) => ({
      name,
      source,
      about,
      isBound: isOracle ?? false,
    })),
    cells,
    missingCells: 0,
    workers: 2,
    wallSeconds: 12,
    bars: [
      { name: "grid minutes", value: 11, bar: "<= 15", ok: true },
      { name: "seeds", value: 3, bar: ">= 5", ok: false },
    ],
    ...overrides,
  };
}

/** `skill` 0 to 1: how good the policy is. */
function cellOf(spec: CellSpec, skill: number): CellResult {
  const random = seededRandom(JSON.stringify(spec));
  const noise = () => 0.95 + 0.1 * random.next();
  const pressure = Math.max(0.2, spec.demand * (1.6 - skill));
  const speed = (spec.replicas / (0.4 + pressure ** 1.5)) * noise();
  const hit = Math.min(0.97, (0.35 + 0.6 * skill) / Math.max(1, pressure * 0.7)) * noise();
  const ttftMs = 60 * (1 + pressure ** 3) * noise();
  const result = classOf(ttftMs, pressure, random.next);
  return {
    spec,
    ...rateOf(spec),
    jobsPerSecond: speed / 9,
    turnsPerSecond: speed,
    outputTokensPerSecond: speed * 90,
    goodputPerSecond: speed * Math.min(1, 1.4 - pressure / 4),
    classes: { agent: result, interactive: result },
    itlMs: histogramAround(9 + 3 * pressure, random.next),
    promptTokens: 1e6,
    hitTokens: 1e6 * hit * 0.9,
    boundTokens: 0.9e6,
    evictions: Math.round(1e4 * pressure),
    preemptions: pressure > 2 ? Math.round(pressure * 10) : 0,
    imbalance: { requests: 1 + pressure / 5, prefillTokens: 1 + pressure / 4 },
    tenants: tenantsOf(skill, random.next),
    jain: 0.8 + 0.2 * skill,
    retries: 0,
    sessionsLeftOut: 0,
    aborts: 12,
    refusals: 0,
    longestWaitMs: 0,
    held: { turns: 0, heldMs: createHistogram().build() },
    conservation: { sent: 1200, ended: 1100, underWay: 100 },
    ...(spec.seed === 1 && { timeline: timelineOf(spec.replicas, pressure, random.next) }),
    cost: { wallSeconds: 1, tokenEvents: 2e6, steps: 1e5 },
  };
}

function rateOf({
  regime,
  demand,
  replicas,
}: CellSpec): { slots: number } | { sessionsPerSecond: number } {
  if (regime === "saturation") return { slots: Math.round(demand * replicas * 12) };
  return { sessionsPerSecond: demand * replicas * 0.3 };
}

function histogramAround(middle: number, next: () => number) {
  const builder = createHistogram();
  for (let n = 0; n < 60; n++) builder.add(middle * Math.exp(1.6 * (next() + next() - 1)));
  return builder.build();
}

function classOf(ttftMs: number, pressure: number, next: () => number): ClassResult {
  return {
    turns: 300,
    firstTurnTtftMs: histogramAround(ttftMs * 4, next),
    laterTurnTtftMs: histogramAround(ttftMs, next),
    tpotMs: histogramAround(10 + 4 * pressure, next),
    turnMs: histogramAround(ttftMs + 2000, next),
    jctMs: histogramAround(30_000 + 20 * ttftMs, next),
    turnsInSlo: Math.round(300 * Math.min(1, Math.max(0.05, 1.35 - pressure / 3))),
  };
}

function tenantsOf(skill: number, next: () => number): TenantResult[] {
  return Array.from({ length: 20 }, (_, index) => ({
    tenant: `tenant-${index}`,
    turns: 60,
    prefillTokens: 5000,
    outputTokens: 900,
    speed: Math.min(1, 0.3 + 0.5 * skill + (next() - 0.5) * 0.4 * (1 - skill)),
  }));
}

function timelineOf(replicas: number, pressure: number, next: () => number): Timeline {
  const wave = (scale: number) =>
    Array.from({ length: 121 }, (_, at) =>
      Math.max(0, Math.round(scale * (1 + Math.sin(at / 9 + next())) * 10) / 10),
    );
  return {
    everyMs: 2000,
    replicas: Array.from({ length: Math.min(16, replicas) }, () => ({
      running: wave(12 * Math.min(2, pressure)),
      waiting: wave(Math.max(0, pressure - 1) * 4),
      kvUsage: wave(0.5).map((value) => Math.min(1, value)),
    })),
    held: Array.from({ length: 121 }, () => 0),
  };
}
