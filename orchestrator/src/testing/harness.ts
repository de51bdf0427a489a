import { type Lane, type TaskEvent, TaskState } from "@warmpath/proto/common";
import { servicePrincipal } from "@warmpath/runtime";
import { seededRandom } from "@warmpath/runtime/base";
import { type AgentSpec, hashOfSpec } from "../agents/agent-spec.ts";
import { startWorker, type Worker } from "../dispatch/worker.ts";
import { createOrchestratorMetrics } from "../metrics.ts";
import { type CrashPoint, noCrash } from "../run/crash-point.ts";
import { Run } from "../run/run.ts";
import { type RunDeps, type RunOutcome, runLoop } from "../run/run-loop.ts";
import { createDeltaPublisher } from "../steps/delta-publisher.ts";
import { createBulkhead } from "../tools/bulkhead.ts";
import type { Tool } from "../tools/tool.ts";
import { createToolbox, type Toolbox } from "../tools/toolbox.ts";
import type { Script } from "./scripted-model.ts";
import { openTestSystem, type TestServers, type TestSystem } from "./system.ts";

/** Thrown by a crash point: stands for the process's end, so nothing after it may run. */
export class Crash extends Error {}

/** What a test says of its system. */
export interface HarnessOptions {
  readonly specs: readonly AgentSpec[];
  readonly tools?: readonly Tool[];
  readonly script: Script;
  readonly leaseMs?: number;
  readonly historyMessagesMax?: number;
  /** Default: embedded ones. */
  readonly servers?: TestServers;
}

/** The user on whose behalf tests submit. */
export const ada = { tenant: "acme", user: "ada", keyId: "key_1", agentChain: [] };

/** The orchestrator's own parts over a test system, driven by hand or by workers. */
export type Harness = Awaited<ReturnType<typeof createHarness>>;

/** Starts a system; close it. */
export async function createHarness(options: HarnessOptions) {
  const system = await openTestSystem(options);
  const toolbox = createToolbox({
    builtins: options.tools ?? [],
    ...system,
    random: seededRandom(1),
    toolTriesMax: 3,
    callTimeoutMs: 5_000,
  });
  const specs = new Map(options.specs.map((spec) => [spec.name, spec]));
  await register(system, options.specs);
  const metrics = createOrchestratorMetrics(system.metrics);
  const runDeps = (crashPoint: CrashPoint) =>
    runDepsOf(system, options, { specs, toolbox, metrics, crashPoint });
  const workers: Worker[] = [];
  const drainWorkers = async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.drain(500)));
  };
  const { taskLog, log, store } = system;
  return {
    ...system,
    ...taskCalls(system),
    tasks: system.clients.tasks,
    specs,

    /** Claims a task and runs it here until it leaves; a crash is thrown through. */
    async runOnce(taskId: string, crashPoint = noCrash): Promise<RunOutcome | undefined> {
      const claim = await taskLog.claim({ tenant: ada.tenant, taskId }, "worker-test");
      if (!claim) return undefined;
      return await runLoop(new Run({ claim, taskLog, log, crashPoint }), runDeps(crashPoint));
    },

    /** What the passing of time does to the lease of a worker that died. */
    async expireLeases() {
      await store.write.query(
        "update tasks set lease_expires_at = now() - interval '1 second' where state = 'RUNNING'",
        [],
      );
    },

    async worker(crashPoint = noCrash, runsMax = 16): Promise<Worker> {
      const worker = await startWorker({
        ...system,
        metrics,
        crashPoint,
        run: runDeps(crashPoint),
        runsMax,
        renewMs: 100,
        weights: { interactive: 12, standard: 3, batch: 1 },
      });
      workers.push(worker);
      return worker;
    },

    drainWorkers,

    async close() {
      await drainWorkers();
      toolbox.close();
      await system.close();
    },
  };
}

async function register({ clients }: TestSystem, specs: readonly AgentSpec[]): Promise<void> {
  const agents = specs.map((spec) => ({
    name: spec.name,
    description: spec.description,
    specHash: Buffer.from(hashOfSpec(spec)).toString("hex"),
  }));
  await clients.registry.registerAgents(
    { agents },
    { principal: servicePrincipal("orchestrator") },
  );
}

/** What a run stands on, over a test system's parts. */
export function runDepsOf(
  system: Pick<TestSystem, "bus" | "clock" | "taskLog" | "tracing"> & {
    readonly clients: Pick<TestSystem["clients"], "inference">;
  },
  options: Pick<HarnessOptions, "historyMessagesMax">,
  parts: {
    readonly specs: ReadonlyMap<string, AgentSpec>;
    readonly toolbox: Toolbox;
    readonly metrics: ReturnType<typeof createOrchestratorMetrics>;
    readonly crashPoint: CrashPoint;
  },
): RunDeps {
  const { bus, clock, taskLog, tracing, clients } = system;
  const { specs, ...shared } = parts;
  return {
    start: { specOf: (name) => specs.get(name) },
    model: {
      inference: clients.inference,
      deltas: createDeltaPublisher({ bus, live: taskLog.live, clock, intervalMs: 15 }),
      clock,
      random: seededRandom(1),
      metrics: parts.metrics,
      triesMax: 3,
      refusedMsMax: 60_000,
      backoffBaseMs: 1,
      backoffMsMax: 5,
    },
    tools: {
      ...shared,
      tracing,
      clock,
      bulkhead: createBulkhead(8),
      resultBytesMax: 4_096,
      delegationDepthMax: 2,
    },
    historyMessagesMax: options.historyMessagesMax ?? 1_000,
    claimsWithoutProgressMax: 20,
  };
}

/** What a client of tenant "acme" does and sees. */
function taskCalls({ clients: { tasks }, clock }: TestSystem) {
  const asAda = { principal: ada };
  const task = async (taskId: string) => {
    const answer = await tasks.getTask({ taskId }, asAda);
    if (!answer.task) throw new Error("no task");
    return answer.task;
  };
  return {
    task,

    async submit(agent: string, text: string, more: { threadId?: string; lane?: Lane } = {}) {
      const { taskId } = await tasks.createTask({ agent, text, ...more }, asAda);
      return taskId;
    },

    async events(taskId: string): Promise<TaskEvent[]> {
      const { events } = await tasks.readEvents({ taskId, limit: 1000 }, asAda);
      return events.flatMap(({ event }) => (event ? [event] : []));
    },

    /** Waits until the task has ended. */
    async ended(taskId: string, timeoutMs = 8_000) {
      const ends = [TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED];
      for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += 20) {
        const now = await task(taskId);
        if (ends.includes(now.state)) return now;
        await clock.sleep(20);
      }
      throw new Error(`task ${taskId} did not end within ${timeoutMs} ms`);
    },
  };
}

/** A spec with sensible limits. */
export function specOf(name: string, more: Partial<AgentSpec> = {}): AgentSpec {
  return {
    version: 1,
    name,
    description: `Test agent ${name}.`,
    model: "",
    systemPrompt: `You are ${name}.`,
    sampling: {},
    tools: [],
    subAgents: [],
    limits: {
      maxSteps: 10,
      maxOutputTokens: 256,
      maxToolCalls: 20,
      maxRepeatedCalls: 3,
      toolTimeoutMs: 2_000,
      modelTimeoutMs: 10_000,
    },
    ...more,
  };
}

/** The spec entry of a built-in tool. */
export function specTool({ name, description, parametersJson }: Tool): AgentSpec["tools"][number] {
  return { name, description, parametersJson, source: { kind: "builtin" } };
}
