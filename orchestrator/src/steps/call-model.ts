import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Lane, type Message } from "@warmpath/proto/common";
import type {
  GenerateFinished,
  GenerateStarted,
  InferenceService,
} from "@warmpath/proto/inference";
import { ModelAnsweredSchema } from "@warmpath/proto/log";
import { encodeWire, messageHash, type ServiceClient } from "@warmpath/runtime";
import { backoffMs, type Clock, type Random, WarmpathError } from "@warmpath/runtime/base";
import type { LaneName } from "@warmpath/state/log";
import type { OrchestratorMetrics } from "../metrics.ts";
import { eventOf } from "../run/recorder.ts";
import type { Run } from "../run/run.ts";
import type { DeltaPublisher } from "./delta-publisher.ts";

/** What a model call stands on. */
export interface CallModelDeps {
  readonly inference: ServiceClient<typeof InferenceService>;
  readonly deltas: DeltaPublisher;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: OrchestratorMetrics;
  /** Tries of a call that an engine began and did not finish, the first included. */
  readonly triesMax: number;
  /** How long a call that no engine took is offered again. */
  readonly refusedMsMax: number;
  readonly backoffBaseMs: number;
  readonly backoffMsMax: number;
}

/**
 * Longest pause that an upstream may ask for, in ms: a minute's rate limit is waited out, an hour's
 * is not.
 */
const retryAfterMsMax = 60_000;

/**
 * Attempts of one lease are numbered below this, so that those of a later lease are always higher.
 */
const attemptsPerEpoch = 1_000n;

/** The step's model call failed for good: the run fails with this reason. */
export class ModelCallFailed extends Error {
  override readonly cause: WarmpathError;

  constructor(cause: WarmpathError) {
    super(`the model could not be called: ${cause.message}`);
    this.cause = cause;
  }
}

interface Answer {
  readonly started: GenerateStarted;
  readonly finished: GenerateFinished;
  readonly message: Message;
  readonly attempt: bigint;
}

/**
 * Makes one step's model call, with its retries, and records the answer. Throws `ModelCallFailed`
 * when it cannot be had.
 */
export async function callModel(run: Run, deps: CallModelDeps): Promise<void> {
  const { recorder } = run;
  const { history, messages, sentCount, steps } = recorder.state;
  const hashes = [...history, ...messages];
  const prompt = await recorder.load(hashes);
  const answer = await answerWithRetries(run, prompt, deps);
  const { started, finished, message } = answer;
  const hash = messageHash(message);
  const event = eventOf({
    case: "modelAnswered",
    value: create(ModelAnsweredSchema, {
      step: steps + 1,
      attempt: answer.attempt,
      messageHash: hash,
      promptHashes: hashes.slice(sentCount),
      intents: callsOf(message).map(({ callId, name, argumentsJson }) => ({
        callId,
        name,
        argumentsJson: new TextEncoder().encode(argumentsJson),
      })),
      ...(finished.usage ? { usage: finished.usage } : {}),
      model: started.model,
      replica: started.replica,
      finishReason: finished.finishReason,
      timeToFirstTokenMs: finished.timeToFirstTokenMs,
      interTokenMs: finished.interTokenMs,
      simulated: started.simulated,
    }),
  });
  await recorder.record("model-answered", { events: [event], messages: [{ hash, message }] });
  deps.metrics.steps.inc();
  run.taskLog.live.clear(run.ref);
}

/**
 * Tries until an answer is whole, an error cannot be helped, or patience ends: a begun answer costs
 * tokens each time and has few tries, a refusal costs nothing and is waited out.
 */
async function answerWithRetries(
  run: Run,
  prompt: readonly Message[],
  deps: CallModelDeps,
): Promise<Answer> {
  const patientUntilMs = deps.clock.monotonicMs() + deps.refusedMsMax;
  let begun = 0;
  for (let attempt = 0; ; attempt++) {
    try {
      const answer = await answerOnce(run, prompt, deps);
      deps.metrics.modelCalls.inc({ result: "answered" });
      return answer;
    } catch (thrown) {
      if (run.interrupt.aborted) {
        deps.metrics.modelCalls.inc({ result: "aborted" });
        throw run.interrupt.reason;
      }
      const error = WarmpathError.from(thrown);
      const isRefusal = error.reason.startsWith("rejected-");
      if (!isRefusal) begun += 1;
      const isPatient = isRefusal
        ? deps.clock.monotonicMs() < patientUntilMs
        : begun < deps.triesMax;
      const canRetry = isRetryable(error) && isPatient;
      deps.metrics.modelCalls.inc({ result: canRetry ? "retried" : "failed" });
      if (!canRetry) throw new ModelCallFailed(error);
      const pauseMs = backoffMs(attempt, deps.backoffBaseMs, deps.backoffMsMax, deps.random);
      const askedMs = Math.min(error.retryAfterMs ?? 0, retryAfterMsMax);
      run.log.warn("model call failed, trying again", { error: error.message, attempt });
      await deps.clock.sleep(Math.max(pauseMs, askedMs), run.interrupt);
    }
  }
}

/**
 * A model call has no effect but its cost, so whatever was cut short by others may be made again.
 */
function isRetryable(error: WarmpathError): boolean {
  // The deadline is the agent's own limit for the call.
  if (error.code === "deadline_exceeded") return false;
  const isTransient = ["unavailable", "aborted", "resource_exhausted", "unknown"].includes(
    error.code,
  );
  return error.retry !== "never" || (error.source === "upstream" && isTransient);
}

async function answerOnce(
  run: Run,
  prompt: readonly Message[],
  deps: CallModelDeps,
): Promise<Answer> {
  const attempt = run.lease.epoch * attemptsPerEpoch + run.nextAttempt();
  const text = deps.deltas.open(run.ref, run.recorder.state.steps + 1, attempt);
  const beganMs = deps.clock.monotonicMs();
  let started: GenerateStarted | undefined;
  let finished: GenerateFinished | undefined;
  let isFirst = true;
  const request = requestFor(run, prompt);
  const options = {
    principal: run.principal,
    signal: run.interrupt,
    timeoutMs: run.spec.limits.modelTimeoutMs,
  };
  try {
    for await (const { event } of deps.inference.generate(request, options)) {
      if (event.case === "started") started = event.value;
      else if (event.case === "finished") finished = event.value;
      else if (isFirst) {
        isFirst = false;
        deps.metrics.firstTokenSeconds.observe((deps.clock.monotonicMs() - beganMs) / 1_000);
      }
      if (event.case === "textDelta") text.push(event.value);
    }
  } finally {
    text.end();
  }
  if (!started || !finished?.message) {
    throw new WarmpathError(
      "failed-upstream-cut",
      "the model's stream ended before its answer was whole",
    );
  }
  const message = encodeWire(finished.message);
  assertDistinctCalls(message);
  deps.metrics.modelCallSeconds.observe((deps.clock.monotonicMs() - beganMs) / 1_000);
  return { started, finished, message, attempt };
}

function requestFor(run: Run, prompt: readonly Message[]) {
  const { spec } = run;
  const { temperature, topP, seed } = spec.sampling;
  return {
    model: spec.model,
    messages: [...prompt],
    tools: spec.tools.map(({ name, description, parametersJson }) => ({
      name,
      description,
      parametersJson,
    })),
    sampling: {
      maxOutputTokens: spec.limits.maxOutputTokens,
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
      ...(seed === undefined ? {} : { seed: BigInt(seed) }),
    },
    sessionId: sessionOf(run),
    taskId: run.ref.taskId,
    lane: laneNumbers[run.task.lane],
  };
}

/**
 * Tasks of one conversation belong together; without one, the tasks that one submitted task led to
 * do.
 */
function sessionOf({ task }: Run): string {
  if (task.threadId === "") return task.rootTaskId;
  // User and thread id are free text: the hash keeps them short, apart by tenant, and out of logs.
  const parts = JSON.stringify([task.tenant, task.user, task.threadId]);
  return `thread_${createHash("sha256").update(parts).digest("hex").slice(0, 32)}`;
}

function callsOf(message: Message) {
  return message.parts.flatMap(({ kind }) => (kind.case === "toolCall" ? [kind.value] : []));
}

/**
 * Results are matched to calls by id, so an answer whose ids do not tell its calls apart cannot be
 * acted on.
 */
function assertDistinctCalls(message: Message): void {
  const ids = callsOf(message).map(({ callId }) => callId);
  if (ids.includes("") || new Set(ids).size < ids.length) {
    throw new WarmpathError(
      "failed-upstream-protocol",
      "the model asked for tool calls without distinct ids",
    );
  }
}

const laneNumbers: Record<LaneName, Lane> = {
  interactive: Lane.INTERACTIVE,
  standard: Lane.STANDARD,
  batch: Lane.BATCH,
};
