import { machineFacts } from "../report/machine.ts";
import type { BenchReport } from "../report/report.ts";
import { medianOf, quantileOf, spreadOf } from "../report/statistics.ts";
import { formatNumber, formatTable } from "../report/table.ts";
import { type AgentClient, createAgentClient } from "../system/agent-client.ts";
import { startReplica, zeroLatencyFlags } from "../system/start-replica.ts";
import { startSystem } from "../system/start-system.ts";
import { embedded, type Storage, serverStorage } from "./storages.ts";

/** Sizes of one run of the bench. */
export interface DurablePlan {
  readonly rounds: number;
  /** Tasks under way at once, each submitted when one before it has ended. */
  readonly inFlight: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  /** No more tasks than this a round, whatever the time. */
  readonly tasksMax: number;
}

/** The sizes that figures are quoted from. */
export const fullPlan: DurablePlan = {
  rounds: 3,
  inFlight: 32,
  warmupMs: 3_000,
  durationMs: 10_000,
  tasksMax: 20_000,
};

/** A minute's look; its figures are too noisy to quote. */
export const quickPlan: DurablePlan = {
  ...fullPlan,
  rounds: 1,
  warmupMs: 1_000,
  durationMs: 4_000,
};

/** Enough to see that nothing is broken. */
export const tinyPlan: DurablePlan = {
  rounds: 1,
  inFlight: 2,
  warmupMs: 0,
  durationMs: 5_000,
  tasksMax: 4,
};

/** What one storage did in one round. */
export interface DurableRound {
  readonly round: number;
  readonly storage: Storage["name"];
  readonly tasks: number;
  readonly failureCount: number;
  /** The first few failures, in words. */
  readonly failures: readonly string[];
  readonly tasksPerSecond: number;
  /** From the submit call to the watcher's last event. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const agent = "assistant";
const sums = [1, 2, 3, 4].map((number) => `${number} + ${number}`);
const question = `What is ${sums.join("? Then what is ")}?`;
const expectedAnswer = `[simulated] ${sums.map((sum, index) => `${sum} = ${2 * (index + 1)}.`).join(" ")}`;
/** Four answers that call the calculator, one that sums up. */
const stepsPerTask = 5;
const taskTimeoutMs = 30_000;
const failuresKept = 5;
/** How many times longer a window may last on a machine where few tasks end. */
const windowStretchMax = 6;

/** Runs the bench: how many five-step tasks a second are recorded and finished, on each storage. */
export async function runDurable(
  plan: DurablePlan,
  options: { readonly withServers: boolean; readonly onProgress: (text: string) => void },
): Promise<BenchReport> {
  const machine = machineFacts();
  const servers = options.withServers
    ? await serverStorage()
    : { absent: "servers: not run: not asked for" };
  const storages: Storage[] = "absent" in servers ? [embedded] : [embedded, servers];
  const rounds: DurableRound[] = [];
  for (let round = 1; round <= plan.rounds; round++) {
    for (const storage of round % 2 === 1 ? storages : storages.toReversed()) {
      options.onProgress(`round ${round} of ${plan.rounds}: ${storage.name}`);
      rounds.push({ round, storage: storage.name, ...(await measureStorage(storage, plan)) });
    }
  }
  const summaries = storages.map((storage) => summaryOf(storage, rounds));
  return {
    bench: "durable",
    question: "how many five-step tasks a second are recorded and finished?",
    machine,
    parameters: { ...plan, question, storages: storages.map(({ name, what }) => ({ name, what })) },
    rounds,
    figures: summaries.flatMap(({ storage, tasksPerSecond, p50Ms, p99Ms, failureCount }) => [
      { name: `durable.${storage.name}.tasks_per_second`, value: tasksPerSecond, unit: "1/s" },
      { name: `durable.${storage.name}.p50`, value: p50Ms, unit: "ms" },
      { name: `durable.${storage.name}.p99`, value: p99Ms, unit: "ms" },
      { name: `durable.${storage.name}.failures`, value: failureCount, unit: "tasks" },
    ]),
    table: tableOf(summaries),
    measured:
      `tasks of ${stepsPerTask} model answers and 4 calculator calls through the gateway of \`warmpath up\`, each watched ` +
      `to its end, ${plan.inFlight} under way at once; the replica takes no time; every answer and step count checked; ` +
      `medians of ${plan.rounds} round(s), the order turned around each round, every process and database fresh.`,
    notMeasured:
      "long conversations, child tasks, several workers, services on machines of their own, power loss. Client, system, " +
      "replica and storage share the machine's cores.",
    absent: "absent" in servers ? [servers.absent] : [],
  };
}

async function measureStorage(
  storage: Storage,
  plan: DurablePlan,
): Promise<Omit<DurableRound, "round" | "storage">> {
  const replica = await startReplica(zeroLatencyFlags);
  try {
    const { stop: stopStorage, ...urls } = await storage.start();
    try {
      const system = await startSystem({ upstreamUrls: [replica.url], ...urls });
      try {
        const client = createAgentClient(system.gatewayUrl, system.key);
        if (plan.warmupMs > 0) await drive(client, plan, plan.warmupMs);
        return await drive(client, plan, plan.durationMs);
      } finally {
        await system.stop();
      }
    } finally {
      await stopStorage();
    }
  } finally {
    await replica.stop();
  }
}

/**
 * Keeps so many tasks under way for so long, and on a slow machine until each place had its second
 * task; those that end after the window are not counted in its rate.
 */
async function drive(
  client: AgentClient,
  plan: DurablePlan,
  durationMs: number,
): Promise<Omit<DurableRound, "round" | "storage">> {
  const ended: { readonly atMs: number; readonly latencyMs: number }[] = [];
  const failures: string[] = [];
  let submitted = 0;
  const startMs = performance.now();
  const elapsedMs = () => performance.now() - startMs;
  const isOver = () => {
    if (submitted >= plan.tasksMax) return true;
    if (elapsedMs() < durationMs) return false;
    return ended.length >= 2 * plan.inFlight || elapsedMs() >= windowStretchMax * durationMs;
  };
  let windowMs: number | undefined;
  const worker = async () => {
    while (!isOver()) {
      submitted += 1;
      const submittedMs = elapsedMs();
      const fault = await runTask(client);
      const atMs = elapsedMs();
      if (fault === undefined) ended.push({ atMs, latencyMs: atMs - submittedMs });
      else {
        failures.push(fault);
        // A system that refuses everything is not asked as fast as it can refuse.
        await Bun.sleep(100);
      }
    }
    // With a fixed number of tasks the window lasts until the last one has ended.
    windowMs = submitted >= plan.tasksMax ? elapsedMs() : (windowMs ?? elapsedMs());
  };
  await Promise.all(Array.from({ length: plan.inFlight }, worker));
  const rateMs = windowMs ?? elapsedMs();
  const latenciesMs = ended.map(({ latencyMs }) => latencyMs).sort((left, right) => left - right);
  return {
    tasks: ended.length,
    failureCount: failures.length,
    failures: failures.slice(0, failuresKept),
    tasksPerSecond: ended.filter(({ atMs }) => atMs <= rateMs).length / (rateMs / 1000),
    p50Ms: quantileOf(latenciesMs, 0.5),
    p99Ms: quantileOf(latenciesMs, 0.99),
  };
}

/** Runs one task; returns what was wrong with it, if anything. */
async function runTask(client: AgentClient): Promise<string | undefined> {
  try {
    const taskId = await client.submit(agent, question);
    const outcome = await client.watch(taskId, AbortSignal.timeout(taskTimeoutMs));
    if (outcome.state !== "completed") return `${taskId} ${outcome.state}: ${outcome.text}`;
    if (outcome.steps !== stepsPerTask) return `${taskId} took ${outcome.steps} steps`;
    if (outcome.text !== expectedAnswer) return `${taskId} answered: ${outcome.text}`;
    return undefined;
  } catch (error) {
    return String(error);
  }
}

interface Summary {
  readonly storage: Storage;
  readonly tasksPerSecond: number;
  readonly spread: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failureCount: number;
}

function summaryOf(storage: Storage, rounds: readonly DurableRound[]): Summary {
  const own = rounds.filter((each) => each.storage === storage.name);
  const rates = own.map(({ tasksPerSecond }) => tasksPerSecond);
  return {
    storage,
    tasksPerSecond: medianOf(rates),
    spread: spreadOf(rates),
    p50Ms: medianOf(own.map(({ p50Ms }) => p50Ms)),
    p99Ms: medianOf(own.map(({ p99Ms }) => p99Ms)),
    failureCount: own.reduce((sum, { failureCount }) => sum + failureCount, 0),
  };
}

function tableOf(summaries: readonly Summary[]): string {
  const header = ["storage", "tasks/s", "steps/s", "spread", "p50 ms", "p99 ms", "failures"];
  const rows = summaries.map((summary) => [
    summary.storage.name,
    formatNumber(summary.tasksPerSecond, 1),
    formatNumber(summary.tasksPerSecond * stepsPerTask),
    `${formatNumber(summary.spread * 100)} %`,
    formatNumber(summary.p50Ms, 1),
    formatNumber(summary.p99Ms, 1),
    formatNumber(summary.failureCount),
  ]);
  const legend = summaries.map(({ storage }) => `${storage.name}: ${storage.what}`);
  return [formatTable(header, rows), "", ...legend].join("\n");
}
