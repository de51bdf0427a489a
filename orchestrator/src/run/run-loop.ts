import { create } from "@bufbuild/protobuf";
import { FailureSchema, UsageSchema } from "@warmpath/proto/common";
import {
  CancelledSchema,
  CompletedSchema,
  FailedSchema,
  MessageReceivedSchema,
  WaitingSchema,
} from "@warmpath/proto/log";
import { attributes, textOf } from "@warmpath/runtime";
import { assert, type Reason, WarmpathError } from "@warmpath/runtime/base";
import type { Input } from "@warmpath/state/log";
import { type CallModelDeps, callModel, ModelCallFailed } from "../steps/call-model.ts";
import { executeCalls, finishOf, type ToolStepDeps } from "../steps/execute-calls.ts";
import { recoverCalls } from "../steps/recover-calls.ts";
import { boundResult } from "../tools/bound-result.ts";
import { resultOfChild } from "../tools/delegate.ts";
import { type Action, nextAction } from "./next-action.ts";
import { eventOf } from "./recorder.ts";
import { type Run, RunStopped } from "./run.ts";
import { type StartDeps, startRun } from "./start-run.ts";

/** Everything a run stands on. */
export interface RunDeps {
  readonly start: StartDeps;
  readonly model: CallModelDeps;
  readonly tools: ToolStepDeps;
  readonly historyMessagesMax: number;
  readonly claimsWithoutProgressMax: number;
}

/** How a run left this worker. */
export type RunOutcome = "completed" | "failed" | "cancelled" | "waiting";

/**
 * The loop: look at what is recorded, decide, act, record; until the run ends or waits. Throws
 * `RunStopped` when it was stopped, and what the log throws when it cannot be written: the log then
 * holds all that counts.
 */
export async function runLoop(run: Run, deps: RunDeps): Promise<RunOutcome> {
  const { state } = run.recorder;
  if (run.lease.epoch - state.lastEpoch > BigInt(deps.claimsWithoutProgressMax)) {
    const isUnknown = !state.specHash && !deps.start.specOf(run.task.agent);
    return isUnknown
      ? await fail(run, "rejected-unknown-agent", `no worker knows the agent "${run.task.agent}"`)
      : await fail(run, "failed-run", "the task was begun again and again without progress");
  }
  for (;;) {
    try {
      const outcome = await act(run, await decide(run, deps), deps);
      if (outcome) return outcome;
    } catch (error) {
      const outcome = await afterError(run, error);
      if (outcome) return outcome;
    }
  }
}

async function decide(run: Run, deps: RunDeps): Promise<Action> {
  if (run.recorder.state.specHash && !run.specIfKnown) await startRun(run, deps.start);
  const decideNow = (inputs: readonly Input[]) =>
    nextAction(run.recorder.state, inputs, run.specIfKnown?.limits);
  if (!run.mustReadInbox) {
    const action = decideNow([]);
    // Announcements can be lost: a message is taken in before the next step whether or not one
    // came.
    if (action.kind !== "call-model") return action;
  }
  run.mustReadInbox = false;
  return decideNow(await run.taskLog.inputs(run.ref));
}

async function act(run: Run, action: Action, deps: RunDeps): Promise<RunOutcome | undefined> {
  if (run.interrupt.aborted && action.kind !== "cancel") throw run.interrupt.reason;
  switch (action.kind) {
    case "start":
      await startRun(run, deps.start);
      return undefined;
    case "call-model":
      return await spanOf(run, deps, "step call_model", () => callModelWithinBounds(run, deps));
    case "execute":
      return await spanOf(run, deps, "step execute_tools", () =>
        executeCalls(run, action.calls, deps.tools).then(goOn),
      );
    case "recover":
      return await spanOf(run, deps, "step recover_tools", () =>
        recoverCalls(run, action.calls, deps.tools).then(goOn),
      );
    case "finish-delegates":
      await finishDelegates(run, action.inputs, deps.tools);
      return undefined;
    case "take-messages":
      await takeMessages(run, action.inputs);
      return undefined;
    case "wait":
      return await wait(run, action.childTaskIds);
    case "complete":
      return await complete(run, action.answerHash);
    case "fail":
      return await fail(run, action.reason, action.message);
    case "cancel":
      return await cancel(run, action.inputs);
  }
}

/** One half of a step as a span that says which step it is. */
async function spanOf(
  run: Run,
  { tools }: RunDeps,
  name: string,
  work: () => Promise<RunOutcome | undefined>,
): Promise<RunOutcome | undefined> {
  const { steps } = run.recorder.state;
  // A step is counted once its model has answered.
  const step = name === "step call_model" ? steps + 1 : steps;
  const options = { attributes: { [attributes.step]: step } };
  return await tools.tracing.span(name, options, work);
}

/** What did not end the run. */
function goOn(): undefined {
  return undefined;
}

/** What the loop does about an error; rethrows what ends this worker's part in the run. */
async function afterError(run: Run, error: unknown): Promise<RunOutcome | undefined> {
  if (error instanceof RunStopped && error.why === "cancel-requested") {
    // Only who holds the task takes a cancel out: if the look into the inbox found none, another
    // does.
    if (run.hasLookedForCancel) throw new RunStopped("lease-lost");
    run.hasLookedForCancel = true;
    run.mustReadInbox = true;
    return undefined;
  }
  if (!(error instanceof WarmpathError)) throw error;
  if (error.reason === "failed-aborted") {
    // The completing append was refused because a message arrived: take it in and go on.
    run.mustReadInbox = true;
    return undefined;
  }
  if (hopeless.has(error.reason)) return await fail(run, error.reason, error.message);
  throw error;
}

/**
 * What any other worker would meet in the same place: a transition that cannot be stored, data that
 * is gone.
 */
const hopeless: ReadonlySet<Reason> = new Set([
  "rejected-too-large",
  "rejected-invalid",
  "failed-data-loss",
]);

async function callModelWithinBounds(run: Run, deps: RunDeps): Promise<RunOutcome | undefined> {
  const { history, messages } = run.recorder.state;
  const count = history.length + messages.length;
  if (count > deps.historyMessagesMax) {
    const message = `the conversation holds ${count} messages; a prompt may hold ${deps.historyMessagesMax}`;
    return await fail(run, "failed-context-length", message);
  }
  try {
    await callModel(run, deps.model);
    return undefined;
  } catch (error) {
    if (!(error instanceof ModelCallFailed)) throw error;
    return await fail(run, error.cause.reason, error.message);
  }
}

async function finishDelegates(
  run: Run,
  inputs: readonly Input[],
  { resultBytesMax, metrics }: ToolStepDeps,
): Promise<void> {
  const finishes = inputs.flatMap((input) => {
    const call = run.recorder.state.calls.find(({ callId }) => callId === input.callId);
    if (!call) return [];
    const result = resultOfChild(input);
    metrics.toolCalls.inc({ kind: "delegate", outcome: result.outcome });
    const content = boundResult(result.content, resultBytesMax);
    return [finishOf(run, call, { ...result, content }, input.childUsage)];
  });
  assert(finishes.length > 0, "a child's end answers an open call of its parent");
  await run.recorder.record("tools-finished", {
    events: finishes.map(({ event }) => event),
    messages: finishes.map(({ message }) => message),
    inputsTaken: inputs.map(({ inputId }) => inputId),
  });
}

async function takeMessages(run: Run, inputs: readonly Input[]): Promise<void> {
  const events = inputs.flatMap(({ inputId, messageHash, message }) => {
    if (!messageHash) return [];
    if (message) run.recorder.keep(messageHash, message);
    const value = create(MessageReceivedSchema, { messageHash, inputId });
    return [eventOf({ case: "messageReceived", value })];
  });
  const inputsTaken = inputs.map(({ inputId }) => inputId);
  await run.recorder.record("message-received", { events, inputsTaken });
}

async function wait(run: Run, childTaskIds: readonly string[]): Promise<RunOutcome> {
  const reason = `waits for ${childTaskIds.length} delegated task(s)`;
  const event = eventOf({ case: "waiting", value: create(WaitingSchema, { reason }) });
  await run.recorder.record("waiting", { events: [event], state: "WAITING" });
  return "waiting";
}

async function complete(run: Run, answerHash: Uint8Array): Promise<RunOutcome> {
  const { state } = run.recorder;
  const [message] = await run.recorder.load([answerHash]);
  assert(message !== undefined, "the answer is stored");
  const usage = create(UsageSchema, state.usage);
  const value = create(CompletedSchema, { messageHash: answerHash, usage });
  await run.recorder.record("completed", {
    events: [eventOf({ case: "completed", value })],
    state: "COMPLETED",
    answer: textOf(message),
    ...(run.task.threadId === "" ? {} : { conversation: state.messages }),
  });
  return "completed";
}

/** Ends the run without an answer, for a reason that people can search for. */
export async function fail(run: Run, reason: Reason, message: string): Promise<RunOutcome> {
  const failure = create(FailureSchema, { reason, message: message.toWellFormed() });
  const usage = create(UsageSchema, run.recorder.state.usage);
  const value = create(FailedSchema, { failure, usage });
  await run.recorder.record("failed", {
    events: [eventOf({ case: "failed", value })],
    state: "FAILED",
    failure,
  });
  run.taskLog.live.clear(run.ref);
  run.log.info("run failed", { reason, why: message });
  return "failed";
}

async function cancel(run: Run, inputs: readonly Input[]): Promise<RunOutcome> {
  const usage = create(UsageSchema, run.recorder.state.usage);
  const value = create(CancelledSchema, { usage });
  await run.recorder.record("cancelled", {
    events: [eventOf({ case: "cancelled", value })],
    state: "CANCELLED",
    inputsTaken: inputs.map(({ inputId }) => inputId),
  });
  run.taskLog.live.clear(run.ref);
  return "cancelled";
}
