import type { Principal } from "@warmpath/runtime";
import type { Logger } from "@warmpath/runtime/base";
import type { Claim, ClaimedTask, Lease, TaskLog, TaskRef } from "@warmpath/state/log";
import type { AgentSpec } from "../agents/agent-spec.ts";
import { type CrashPoint, noCrash } from "./crash-point.ts";
import { Recorder } from "./recorder.ts";

/** Why a run is stopped from outside. */
export type StopReason = "cancel-requested" | "lease-lost" | "draining";

/** Thrown through a run's awaits when it is stopped; not a failure of the run. */
export class RunStopped extends Error {
  readonly why: StopReason;

  constructor(why: StopReason) {
    super(`the run was stopped: ${why}`);
    this.why = why;
  }
}

/**
 * One claimed run in this worker: its recorder, its spec once known, and the two signals that stop
 * it.
 */
export class Run {
  readonly ref: TaskRef;
  readonly task: ClaimedTask;
  readonly taskLog: TaskLog;
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly principal: Principal;
  /** Set when something may have arrived in the inbox since it was last read. */
  mustReadInbox = true;
  /** Set when the inbox is read for a cancel that was announced. */
  hasLookedForCancel = false;
  #spec: AgentSpec | undefined;
  #attempts = 0n;
  readonly #stop = new AbortController();
  readonly #interrupt = new AbortController();

  constructor(options: { claim: Claim; taskLog: TaskLog; log: Logger; crashPoint?: CrashPoint }) {
    const { claim, taskLog, log } = options;
    const { tenant, taskId, user, keyId, agentChain, agent } = claim.task;
    this.ref = { tenant, taskId };
    this.task = claim.task;
    this.taskLog = taskLog;
    this.log = log.child({ task_id: taskId, agent });
    this.principal = { tenant, user, keyId, agentChain: [...agentChain, agent] };
    this.recorder = new Recorder({
      lease: claim.lease,
      events: claim.events,
      taskLog,
      crashPoint: options.crashPoint ?? noCrash,
    });
  }

  get lease(): Lease {
    return this.recorder.lease;
  }

  /** The pinned spec; known from the first transition on. */
  get spec(): AgentSpec {
    if (!this.#spec) throw new Error("the run has no spec yet");
    return this.#spec;
  }

  get specIfKnown(): AgentSpec | undefined {
    return this.#spec;
  }

  pin(spec: AgentSpec): void {
    this.#spec = spec;
  }

  /** Number of the next model attempt under this lease, from 1. */
  nextAttempt(): bigint {
    this.#attempts += 1n;
    return this.#attempts;
  }

  /** Aborts everything: the run was cancelled, or is no longer ours. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Aborts what can be made again without loss (a model call); fires on every stop, and on draining
   * before it.
   */
  get interrupt(): AbortSignal {
    return this.#interrupt.signal;
  }

  /** Stops at once. */
  stopNow(why: StopReason): void {
    this.#interrupt.abort(new RunStopped(why));
    this.#stop.abort(new RunStopped(why));
  }

  /**
   * Stops at the next safe point: a model call is given up, tool calls under way are waited for.
   */
  stopSoon(): void {
    this.#interrupt.abort(new RunStopped("draining"));
  }
}
