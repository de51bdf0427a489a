import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bar } from "../report/bars.ts";
import { machineFacts } from "../report/machine.ts";
import { type RunningSystem, startSystem } from "../system/start-system.ts";
import { temporaryFolder } from "../system/temporary-folder.ts";
import { createKey } from "./create-key.ts";
import { drawSessions } from "./draw-sessions.ts";
import type { K6Program } from "./find-k6.ts";
import type { K6Plan } from "./lib/plan.ts";
import { type K6Summary, thresholdResults } from "./lib/serve-summary.ts";
import { writeProtoset } from "./protoset.ts";
import { type Replicas, startReplicas } from "./replicas.ts";
import { type ScenarioRun, scenarioReport } from "./scenario-report.ts";
import type { ScenarioSetup } from "./scenarios.ts";
import { memoryBar, watchMemory } from "./watch-memory.ts";

/** What may be changed about a scenario. */
export interface ScenarioPlan {
  readonly setup: ScenarioSetup;
  readonly durationSeconds: number;
  readonly sessionsPerSecond: number;
  readonly thinkSeconds: number;
  readonly replicas: number;
  /** How model calls are timed; default: one by one where this k6 can. */
  readonly transport?: K6Plan["transport"] | undefined;
  readonly withLatencyBars: boolean;
  readonly seed: number;
  /** Where the summaries and the page go. */
  readonly outFolder: string;
}

/** Time for the last sessions to end, and for k6 itself, beyond the scenario's duration. */
const slackSeconds = 120;
const sessionsMax = 500;
/**
 * Nano-dollars a token (input/cached/output), in the range of hosted 8B models: cost is seen at
 * work, not measured.
 */
const inventedPrices = "warmpath-sim=200/20/600";

/**
 * Boots the system on simulated replicas, runs a scenario against it, stops everything; with
 * `signal` sooner, and rejects then.
 */
export async function runScenario(
  k6: K6Program,
  plan: ScenarioPlan,
  onProgress: (text: string) => void,
  signal?: AbortSignal,
): Promise<ScenarioRun> {
  const machine = machineFacts();
  const { setup } = plan;
  const temporary = temporaryFolder("warmpath-k6-");
  const folder = temporary.path;
  mkdirSync(plan.outFolder, { recursive: true });
  const replicas = await startReplicas(
    plan.replicas,
    setup.batchMax === undefined ? [] : ["--max-num-seqs", String(setup.batchMax)],
  );
  try {
    signal?.throwIfAborted();
    onProgress(`booting the system on ${plan.replicas} simulated replicas`);
    const system = await startSystem({
      upstreamUrls: replicas.urls,
      settings: {
        WARMPATH_PRICES: inventedPrices,
        ...(setup.batchMax === undefined
          ? {}
          : { WARMPATH_REPLICA_IN_FLIGHT_MAX: String(setup.batchMax) }),
      },
    });
    try {
      signal?.throwIfAborted();
      const k6Plan = await writePlan(plan, k6, system, folder);
      onProgress(`running ${setup.name} for ${plan.durationSeconds} s`);
      const memory = watchMemory(system.pid);
      const trouble = setup.killsReplica === true ? scheduleFailure(k6Plan, replicas) : undefined;
      let status: number;
      try {
        status = await runK6(k6, k6Plan, folder, signal);
      } finally {
        memory.stop();
        await trouble?.();
      }
      signal?.throwIfAborted();
      // k6 writes this file through handleSummary, also when thresholds break.
      const summary = readSummary(join(plan.outFolder, "summary.json"), status);
      const bars: Bar[] = thresholdResults(summary).map(({ metric, expression, value, ok }) => ({
        name: `${setup.name}.${metric}`,
        value,
        bar: expression,
        ok,
      }));
      const absent: string[] = [];
      if (setup.watchesMemory === true) {
        if (memory.samplesMib.length > 0) bars.push(memoryBar(setup.name, memory.samplesMib));
        else absent.push("memory: not watched, there is no /proc here");
      }
      return scenarioReport({ plan, k6, k6Plan, summary, machine, status, bars, absent });
    } finally {
      await system.stop();
    }
  } finally {
    await replicas.stop();
    temporary.remove();
  }
}

async function writePlan(
  plan: ScenarioPlan,
  k6: K6Program,
  system: RunningSystem,
  folder: string,
): Promise<K6Plan> {
  const { setup } = plan;
  const protoset = join(folder, "warmpath.protoset");
  writeProtoset(protoset);
  const sessionsPath = setup.workloads.length === 0 ? "" : join(folder, "sessions.json");
  if (sessionsPath !== "") {
    const sessions = setup.workloads.flatMap((source) => drawSessions(source, plan.seed));
    writeFileSync(sessionsPath, JSON.stringify(sessions));
  }
  return {
    scenario: setup.name,
    gatewayGrpc: system.gatewayGrpc,
    proxyUrl: system.proxyUrl,
    proxyGrpc: system.proxyGrpc,
    key: system.key,
    noisyKey: setup.hasNoisyTenant === true ? await createKey(system, "noisy") : "",
    protoset,
    sessionsPath,
    outFolder: plan.outFolder,
    durationSeconds: plan.durationSeconds,
    sessionsPerSecond: plan.sessionsPerSecond,
    sessionsMax,
    thinkSeconds: plan.thinkSeconds,
    killAfterSeconds: setup.killsReplica === true ? plan.durationSeconds / 3 : 0,
    transport: plan.transport ?? (k6.hasSse ? "sse" : "http"),
    withLatencyBars: plan.withLatencyBars,
  };
}

/** Kills a replica at its time and brings it back later; returns what ends the schedule. */
function scheduleFailure(plan: K6Plan, replicas: Replicas): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  const failures: unknown[] = [];
  const after = (seconds: number, work: () => Promise<void>) =>
    setTimeout(() => {
      last = last.then(work).catch((error: unknown) => void failures.push(error));
    }, seconds * 1000);
  const timers = [
    after(plan.killAfterSeconds, () => replicas.kill(0)),
    after(plan.killAfterSeconds * 2, () => replicas.restart(0)),
  ];
  return async () => {
    for (const timer of timers) clearTimeout(timer);
    await last;
    if (failures.length > 0) throw failures[0];
  };
}

async function runK6(
  k6: K6Program,
  plan: K6Plan,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const entry = join(folder, "entry.ts");
  writeFileSync(entry, entryFile(plan));
  const child = Bun.spawn(
    [k6.path, "run", "--no-usage-report", "--no-color", "--quiet", "--address", "", entry],
    {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      env: { ...process.env, WARMPATH_K6_PLAN: JSON.stringify(plan) },
      killSignal: "SIGKILL",
      ...(signal === undefined ? {} : { signal }),
    },
  );
  // A run that is interrupted leaves no load behind.
  const onExit = () => child.kill("SIGKILL");
  process.once("exit", onExit);
  const killer = setTimeout(onExit, (plan.durationSeconds + slackSeconds) * 1000);
  const status = await child.exited;
  clearTimeout(killer);
  process.off("exit", onExit);
  return status;
}

/** Joins a scenario with a way of calling models: k6 looks imports up before it runs anything. */
function entryFile({ scenario, transport }: K6Plan): string {
  const from = (path: string) => JSON.stringify(join(import.meta.dir, path));
  return `import { callModel } from ${from(`lib/transports/${transport}.ts`)};
import { guarded } from ${from("lib/scenario.ts")};
import { define } from ${from(`scenarios/${scenario}.ts`)};
export { handleSummary } from ${from("lib/handle-summary.ts")};
const scenario = define(callModel);
export const options = scenario.options;
export const play = guarded(scenario.play);
export const playOthers = guarded(scenario.playOthers ?? scenario.play);
`;
}

function readSummary(path: string, status: number): K6Summary {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as K6Summary;
  } catch (cause) {
    throw new Error(`k6 ended with status ${status} and without a summary`, { cause });
  }
}
