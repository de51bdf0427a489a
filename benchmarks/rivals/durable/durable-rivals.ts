import { interruptionOf, isStopped, unlessStopped } from "../../overhead/interrupt.ts";
import { machineFacts } from "../../report/machine.ts";
import type { BenchReport } from "../../report/report.ts";
import { cpuMsOfTree } from "../../system/cpu-time.ts";
import { startReplica, zeroLatencyFlags } from "../../system/start-replica.ts";
import { readDatabase } from "./database.ts";
import { findDbos } from "./dbos.ts";
import { driveTasks, type TaskTally } from "./drive.ts";
import { guaranteesTable } from "./guarantees.ts";
import { findOurs } from "./ours.ts";
import type { DurablePlan } from "./plan.ts";
import { findRestate } from "./restate.ts";
import { figuresOf, summarise, tableOf } from "./summary.ts";
import type { DurableSystem, FoundSystem, Model, StartedSystem } from "./system.ts";

/** One level of one system in one round. */
export interface DurableRound extends TaskTally {
  readonly round: number;
  readonly system: string;
  readonly inFlight: number;
  /** CPU of everything but caller and model, for each task; absent where there is no /proc. */
  readonly cpuMsPerTask?: number;
  readonly commitsPerTask?: number;
  readonly walKibPerTask?: number;
}

/** How to run. */
export interface DurableOptions {
  readonly mayInstall: boolean;
  /** Names of systems; undefined: all. */
  readonly only: readonly string[] | undefined;
  readonly onProgress: (text: string) => void;
  /** Ends the run with what is finished. */
  readonly signal?: AbortSignal;
}

const sums = [1, 2, 3, 4].map((number) => `${number} + ${number}`);
const question = `What is ${sums.join("? Then what is ")}?`;
const expectedAnswer = `[simulated] ${sums.map((sum, index) => `${sum} = ${2 * (index + 1)}.`).join(" ")}`;
/** Four answers that want a sum, one that sums up. */
export const stepsPerTask = 5;

/** Runs the bench: the same five-step task, recorded by ours and by others. */
export async function runDurableRivals(
  plan: DurablePlan,
  options: DurableOptions,
): Promise<BenchReport> {
  const machine = machineFacts();
  const { signal } = options;
  const found = await unlessStopped(findSystems(options), signal);
  const systems = found.flatMap((each) => ("system" in each ? [each.system] : []));
  const absent = found.flatMap((each) => ("absent" in each ? [each.absent] : []));
  const rounds: DurableRound[] = [];
  for (let round = 1; round <= plan.rounds; round++) {
    for (const system of round % 2 === 1 ? systems : systems.toReversed()) {
      if (isStopped(signal)) break;
      const tell = (phase: string) =>
        options.onProgress(`round ${round} of ${plan.rounds}: ${system.name}: ${phase}`);
      try {
        rounds.push(...(await unlessStopped(measureSystem(system, plan, round, tell), signal)));
      } catch (error) {
        if (isStopped(signal)) break;
        const reason = error instanceof Error ? error.message : String(error);
        tell(`failed: ${reason}`);
        rounds.push(...plan.levels.map((inFlight) => broken(system.name, round, inFlight, reason)));
      }
    }
  }
  const summaries = summarise(
    systems.map(({ name }) => name).filter((name) => rounds.some(({ system }) => system === name)),
    plan.levels,
    rounds,
  );
  const legend = systems.map(({ name, what }) => `${name}: ${what}`);
  return {
    bench: "durable-rivals",
    question: "how many five-step tasks a second are recorded and finished, by ours and by others?",
    machine,
    parameters: { ...plan, question, systems: systems.map(({ name, what }) => ({ name, what })) },
    rounds,
    figures: figuresOf(summaries),
    table: [tableOf(summaries), "", ...legend, "", guaranteesTable()].join("\n"),
    measured:
      `the same task everywhere: ${stepsPerTask} calls of one local model that takes no time, each answer recorded, four ` +
      "sums between them; every answer and step count checked. Tasks/s, time from submit to the known end, CPU of " +
      "everything but caller and model, commits and write-ahead log of PostgreSQL (one of its own for each start, fsync " +
      `on). Medians of ${plan.rounds} round(s), the order turned around each round, every process and database fresh.`,
    notMeasured:
      "several workers or machines, recovery, long histories, real model time. Ours does more with each task: key, tenant " +
      "limits and a watch at the gateway, streaming through the inference proxy, leases, tool calls recorded before and " +
      "after, an outbox to live watchers.",
    absent,
    ...interruptionOf(signal, rounds.length, plan.rounds * systems.length * plan.levels.length),
  };
}

async function findSystems(options: DurableOptions): Promise<readonly FoundSystem[]> {
  const { only, mayInstall, onProgress } = options;
  const wants = (name: string) => only === undefined || only.includes(name);
  const found: FoundSystem[] = [];
  if (wants("warmpath")) found.push(await findOurs());
  onProgress("looking for rivals, installing what is missing (250 MB) where that is allowed");
  if (wants("dbos") || wants("dbos-queue")) {
    const both = await findDbos(mayInstall);
    found.push(...both.filter((each) => !("system" in each) || wants(each.system.name)));
  }
  if (wants("restate")) found.push(await findRestate(mayInstall));
  return found;
}

async function measureSystem(
  system: DurableSystem,
  plan: DurablePlan,
  round: number,
  tell: (phase: string) => void,
): Promise<DurableRound[]> {
  const replica = await startReplica(zeroLatencyFlags);
  try {
    tell("starting");
    const started = await system.start(await modelOf(replica.url));
    try {
      const { warmupMs, tasksMax } = plan;
      const rounds: DurableRound[] = [];
      for (const inFlight of plan.levels) {
        tell(`${inFlight} under way`);
        if (warmupMs > 0) await drive(started, { inFlight, durationMs: warmupMs, tasksMax });
        const load = { inFlight, durationMs: plan.durationMs, tasksMax };
        const measured = await watched(started, replica.pid, () => drive(started, load));
        rounds.push({ round, system: system.name, inFlight, ...measured });
      }
      return rounds;
    } finally {
      await started.stop();
    }
  } finally {
    await replica.stop();
  }
}

/** The first model of a server, as any client would find it. */
async function modelOf(url: string): Promise<Model> {
  const response = await fetch(`${url}/v1/models`);
  // The API's own shape.
  const { data } = (await response.json()) as { data: readonly { id: string }[] };
  return { url, name: data[0]?.id ?? "" };
}

function drive(
  started: StartedSystem,
  load: { readonly inFlight: number; readonly durationMs: number; readonly tasksMax: number },
): Promise<TaskTally> {
  return driveTasks(async () => {
    const { answer, steps } = await started.run(question);
    if (steps !== stepsPerTask) return `a task took ${steps} steps`;
    return answer === expectedAnswer ? undefined : `a task answered: ${answer}`;
  }, load);
}

type Costs = Pick<DurableRound, "cpuMsPerTask" | "commitsPerTask" | "walKibPerTask">;

/** What a load cost beside its time. */
async function watched(
  started: StartedSystem,
  modelPid: number,
  run: () => Promise<TaskTally>,
): Promise<TaskTally & Costs> {
  const { postgresUrl } = started;
  const before = postgresUrl === undefined ? undefined : await readDatabase(postgresUrl);
  if (before !== undefined && (before.fsync !== "on" || before.synchronousCommit !== "on")) {
    throw new Error("PostgreSQL does not sync its commits: figures would not compare");
  }
  const cpuBefore = cpuMs(modelPid);
  const tally = await run();
  const cpuAfter = cpuMs(modelPid);
  const after = postgresUrl === undefined ? undefined : await readDatabase(postgresUrl);
  const each = (total: number) => total / Math.max(1, tally.tasks);
  return {
    ...tally,
    ...(cpuBefore === undefined || cpuAfter === undefined
      ? {}
      : { cpuMsPerTask: each(cpuAfter - cpuBefore) }),
    ...(before === undefined || after === undefined
      ? {}
      : {
          commitsPerTask: each(after.commits - before.commits),
          walKibPerTask: each((after.walBytes - before.walBytes) / 1024),
        }),
  };
}

/** Everything that this process started, less the model: the system and all its storage. */
function cpuMs(modelPid: number): number | undefined {
  const all = cpuMsOfTree(process.pid);
  const model = cpuMsOfTree(modelPid);
  if (all === undefined || model === undefined) return undefined;
  const { user, system } = process.cpuUsage();
  return all - model - (user + system) / 1000;
}

function broken(system: string, round: number, inFlight: number, reason: string): DurableRound {
  return {
    round,
    system,
    inFlight,
    tasks: 0,
    failureCount: 1,
    failures: [reason],
    tasksPerSecond: Number.NaN,
    p50Ms: Number.NaN,
    p99Ms: Number.NaN,
    elapsedMs: 0,
  };
}
