import {
  attributes,
  type Bus,
  controlSubjectOfAll,
  type Tracing,
  withLogFields,
} from "@warmpath/runtime";
import { type Clock, type Logger, messageOf, newId, WarmpathError } from "@warmpath/runtime/base";
import type { Claim, Dispatch, LaneName, TaskLog } from "@warmpath/state/log";
import { unknownAgentPauseMs } from "../config.ts";
import type { OrchestratorMetrics } from "../metrics.ts";
import type { CrashPoint } from "../run/crash-point.ts";
import { Run, RunStopped } from "../run/run.ts";
import { type RunDeps, runLoop } from "../run/run-loop.ts";
import { AgentUnknownHere } from "../run/start-run.ts";
import { createLaneOrder } from "./lane-order.ts";
import { keepLeases } from "./lease-keeper.ts";

/** What a worker stands on. */
export interface WorkerDeps {
  readonly taskLog: TaskLog;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: OrchestratorMetrics;
  readonly tracing: Tracing;
  readonly crashPoint: CrashPoint;
  readonly run: RunDeps;
  readonly runsMax: number;
  readonly renewMs: number;
  readonly weights: Readonly<Record<LaneName, number>>;
}

/** A worker at work. */
export interface Worker {
  readonly workerId: string;
  /** Runs held now. */
  readonly runCount: number;
  /**
   * Pulls no more, stops runs at a safe point and hands them back; what is left after `graceMs` is
   * cut.
   */
  drain(graceMs: number): Promise<void>;
}

/** Pause after a failed pull or claim, in ms: long enough not to hammer a database that is down. */
const troublePauseMs = 500;

/**
 * Starts pulling. A worker that dies needs nothing: its leases expire, and others go on from the
 * log.
 */
export async function startWorker(deps: WorkerDeps): Promise<Worker> {
  const workerId = newId("worker");
  const runs = new Set<Run>();
  const work = new Set<Promise<void>>();
  const pulling = new AbortController();
  const keeping = new AbortController();
  const control = await deps.bus.subscribe(controlSubjectOfAll(), (_payload, subject) => {
    for (const run of runs) {
      if (subject.endsWith(`.${run.ref.tenant}.${run.ref.taskId}`)) void lookForCancel(run);
    }
  });
  deps.metrics.runsActive.set(0);
  const leases = keepLeases({ ...deps, runs }, keeping.signal);
  const pull = pullLoop(deps, workerId, runs, work, pulling.signal);
  return {
    workerId,
    get runCount() {
      return runs.size;
    },
    async drain(graceMs) {
      pulling.abort(new RunStopped("draining"));
      for (const run of runs) run.stopSoon();
      const cut = new AbortController();
      const grace = deps.clock.sleep(graceMs, cut.signal).then(
        () => {
          for (const run of runs) run.stopNow("draining");
        },
        () => undefined,
      );
      await pull;
      await Promise.allSettled(work);
      cut.abort();
      await grace;
      keeping.abort();
      await leases;
      control.close();
    },
  };
}

/**
 * Something arrived for a run: a cancel stops it at once, anything else waits for its next step.
 */
async function lookForCancel(run: Run): Promise<void> {
  run.mustReadInbox = true;
  try {
    const inputs = await run.taskLog.inputs(run.ref);
    if (inputs.some(({ kind }) => kind === "cancel")) run.stopNow("cancel-requested");
  } catch (error) {
    run.log.warn("inbox could not be read", { error: messageOf(error) });
  }
}

async function pullLoop(
  deps: WorkerDeps,
  workerId: string,
  runs: Set<Run>,
  work: Set<Promise<void>>,
  signal: AbortSignal,
): Promise<void> {
  const order = createLaneOrder(deps.weights);
  const aborted = untilAborted(signal);
  while (!signal.aborted) {
    try {
      if (work.size >= deps.runsMax) {
        await Promise.race([...work, aborted]);
        continue;
      }
      const dispatch = await deps.taskLog.next(order(), signal);
      deps.metrics.lanePulls.inc({ lane: dispatch.lane });
      const handled: Promise<void> = handle(deps, workerId, runs, dispatch, signal).finally(() => {
        work.delete(handled);
      });
      work.add(handled);
    } catch (error) {
      if (signal.aborted) return;
      deps.log.warn("work could not be pulled", { error: messageOf(error) });
      await deps.clock.sleep(troublePauseMs, signal).catch(() => undefined);
    }
  }
}

async function handle(
  deps: WorkerDeps,
  workerId: string,
  runs: Set<Run>,
  dispatch: Dispatch,
  pulling: AbortSignal,
): Promise<void> {
  let claim: Claim | undefined;
  try {
    claim = await deps.taskLog.claim(dispatch.ref, workerId);
  } catch (error) {
    deps.metrics.claims.inc({ result: "failed" });
    deps.log.warn("claim failed", { task_id: dispatch.ref.taskId, error: messageOf(error) });
    dispatch.nak(troublePauseMs);
    return;
  }
  dispatch.ack();
  deps.metrics.claims.inc({ result: claim ? "claimed" : "refused" });
  if (claim) await execute(deps, runs, claim, pulling);
}

async function execute(
  deps: WorkerDeps,
  runs: Set<Run>,
  claim: Claim,
  pulling: AbortSignal,
): Promise<void> {
  const { taskLog, log, metrics, clock } = deps;
  const run = new Run({ claim, taskLog, log, crashPoint: deps.crashPoint });
  const beganMs = clock.monotonicMs();
  runs.add(run);
  // Claimed while the drain began: handed straight back.
  if (pulling.aborted) run.stopSoon();
  metrics.runsActive.set(runs.size);
  let outcome = "abandoned";
  try {
    outcome = await withLogFields({ task_id: run.ref.taskId }, () => traced(deps, run));
  } catch (error) {
    outcome = await leave(deps, run, error);
  } finally {
    runs.delete(run);
    metrics.runsActive.set(runs.size);
    metrics.runsEnded.inc({ outcome });
    metrics.runSeconds.observe({ outcome }, (clock.monotonicMs() - beganMs) / 1_000);
  }
}

function traced(deps: WorkerDeps, run: Run): Promise<string> {
  const { traceparent, agent, threadId, tenant, taskId, lane } = run.task;
  const parent = deps.tracing.contextFrom({
    get: (name) => (name === "traceparent" ? traceparent : null),
  });
  const options = {
    kind: "consumer" as const,
    parent,
    attributes: {
      [attributes.operationName]: "invoke_agent",
      [attributes.agentName]: agent,
      [attributes.conversationId]: threadId,
      [attributes.tenant]: tenant,
      [attributes.taskId]: taskId,
      [attributes.lane]: lane,
    },
  };
  return deps.tracing.span(`invoke_agent ${agent}`, options, async () => {
    const outcome = await runLoop(run, deps.run);
    run.log.info("run left", { outcome, steps: run.recorder.state.steps });
    return outcome;
  });
}

/**
 * A run that did not come to an end here. What is recorded stands; the rest is another worker's, or
 * ours again later.
 */
async function leave(deps: WorkerDeps, run: Run, error: unknown): Promise<string> {
  if (error instanceof RunStopped) {
    if (error.why !== "draining") return "abandoned";
    return await release(run);
  }
  if (error instanceof AgentUnknownHere) {
    run.log.warn("unknown agent, handing the task back", { error: error.message });
    await deps.clock.sleep(unknownAgentPauseMs, run.interrupt).catch(() => undefined);
    return await release(run);
  }
  const { reason } = WarmpathError.from(error);
  if (reason === "evicted-lease-lost") {
    deps.metrics.leasesLost.inc();
    run.log.info("another worker has the task");
    return "abandoned";
  }
  // The lease is left to expire: its length is the pause before the task is tried again.
  run.log.error("run abandoned until its lease expires", { error });
  return "abandoned";
}

async function release(run: Run): Promise<string> {
  try {
    await run.taskLog.release(run.lease);
    run.log.info("run handed back");
    return "released";
  } catch (error) {
    run.log.warn("lease could not be released; it will expire", { error: messageOf(error) });
    return "abandoned";
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
