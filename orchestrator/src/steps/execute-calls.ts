import { create } from "@bufbuild/protobuf";
import type { Usage } from "@warmpath/proto/common";
import type { Event } from "@warmpath/proto/log";
import { ToolsExecutingSchema, ToolsFinishedSchema } from "@warmpath/proto/log";
import { attributes, messageHash, type Tracing, toolMessage } from "@warmpath/runtime";
import { type Clock, newId } from "@warmpath/runtime/base";
import type { NewChild, NewMessage } from "@warmpath/state/log";
import type { SpecTool } from "../agents/agent-spec.ts";
import type { OrchestratorMetrics } from "../metrics.ts";
import type { CrashPoint } from "../run/crash-point.ts";
import { outcomeToProto } from "../run/fold.ts";
import { eventOf } from "../run/recorder.ts";
import type { Run } from "../run/run.ts";
import type { CallState, Execution } from "../run/run-state.ts";
import { faultOfArguments } from "../tools/arguments.ts";
import { boundResult } from "../tools/bound-result.ts";
import { type CallToolDeps, callTool } from "../tools/call-tool.ts";
import { childOf } from "../tools/delegate.ts";
import { failed, type Tool, type ToolResult } from "../tools/tool.ts";
import type { Toolbox } from "../tools/toolbox.ts";

/** What executing tools stands on. */
export interface ToolStepDeps extends CallToolDeps {
  readonly toolbox: Toolbox;
  readonly metrics: OrchestratorMetrics;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly crashPoint: CrashPoint;
  readonly delegationDepthMax: number;
}

/** What is to be done about one intended call. */
type Plan =
  | { readonly kind: "refuse"; readonly call: CallState; readonly result: ToolResult }
  | { readonly kind: "delegate"; readonly call: CallState; readonly child: NewChild }
  | {
      readonly kind: "execute";
      readonly call: CallState;
      readonly tool: Tool;
      readonly spec: SpecTool;
      readonly execution: Execution;
    };

/**
 * Begins the intended calls of a step: one transaction records which are executed, creates the
 * children of those that delegate, and records the refusal of the rest. Then executes, and records
 * each result as it lands.
 */
export async function executeCalls(
  run: Run,
  calls: readonly CallState[],
  deps: ToolStepDeps,
): Promise<void> {
  const plans = calls.map((call) => planOf(run, call, deps));
  const events: Event[] = [];
  const messages: NewMessage[] = [];
  const children: NewChild[] = [];
  for (const plan of plans) {
    if (plan.kind === "refuse") {
      const finish = finishOf(run, plan.call, plan.result);
      events.push(finish.event);
      messages.push(finish.message);
      deps.metrics.toolCalls.inc({ kind: "refused", outcome: plan.result.outcome });
    } else if (plan.kind === "delegate") {
      children.push(plan.child);
      const childTaskId = plan.child.taskId;
      events.push(executingOf(run, plan.call, { ...executionOf(run, plan.call), childTaskId }));
    } else events.push(executingOf(run, plan.call, plan.execution));
  }
  await run.recorder.record("tools-executing", { events, messages, children });
  const executed = plans.filter((plan) => plan.kind === "execute");
  await settleAll(executed.map((plan) => executeOne(run, plan, deps)));
}

/**
 * Waits for all before failing, so that no call of a stopped step is still under way when the next
 * thing begins.
 */
export async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) {
    if (result.status === "rejected") throw result.reason;
  }
}

function planOf(run: Run, call: CallState, deps: ToolStepDeps): Plan {
  const refuse = (content: string): Plan => ({ kind: "refuse", call, result: failed(content) });
  if (run.recorder.state.finishReason === "length") {
    return refuse(
      "The answer was cut at its token limit, so this call may be incomplete and was not made. Ask for less at once.",
    );
  }
  const spec = run.spec.tools.find(({ name }) => name === call.name);
  if (!spec) {
    const known = run.spec.tools.map(({ name }) => name).join(", ") || "none";
    return refuse(
      `There is no tool "${call.name.slice(0, 64)}" for this agent. Its tools: ${known}.`,
    );
  }
  const fault = faultOfArguments(spec.parametersJson, call.argumentsJson);
  if (fault) return refuse(fault);
  if (spec.source.kind === "delegate") {
    if (run.task.depth >= deps.delegationDepthMax) {
      return refuse(
        `Delegation may not go deeper than ${deps.delegationDepthMax} levels. Do the work here.`,
      );
    }
    const child = childOf({
      taskId: newId("task"),
      agent: spec.source.agent,
      argumentsJson: call.argumentsJson,
      callId: call.callId,
      lane: run.task.lane,
    });
    return { kind: "delegate", call, child };
  }
  const tool = deps.toolbox.toolFor(spec);
  if (!tool) return refuse(`The tool "${call.name}" is not available in this installation.`);
  const execution = {
    ...executionOf(run, call),
    idempotent: tool.idempotent,
    reconcilable: tool.reconcile !== undefined,
  };
  return { kind: "execute", call, tool, spec, execution };
}

/**
 * The key is made of the call's place in the log, so that no two calls share one and every attempt
 * at one does.
 */
function executionOf(run: Run, call: CallState): Execution {
  const { steps, calls } = run.recorder.state;
  const index = calls.findIndex(({ callId }) => callId === call.callId);
  const idempotencyKey = `${run.ref.taskId}.${steps}.${index}`;
  return { idempotencyKey, idempotent: false, reconcilable: false, childTaskId: "" };
}

async function executeOne(
  run: Run,
  plan: Extract<Plan, { kind: "execute" }>,
  deps: ToolStepDeps,
): Promise<void> {
  const { call, tool, spec, execution } = plan;
  await finishWith(run, call, spec, deps, () =>
    callTool(
      tool,
      spec.source,
      {
        argumentsJson: call.argumentsJson,
        idempotencyKey: execution.idempotencyKey,
        principal: run.principal,
        taskId: run.ref.taskId,
        timeoutMs: run.spec.limits.toolTimeoutMs,
      },
      run.stop,
      deps,
    ),
  );
}

/** Runs the work of one call in its span, then records how it ended. */
export async function finishWith(
  run: Run,
  call: CallState,
  spec: SpecTool,
  deps: ToolStepDeps,
  work: () => Promise<ToolResult>,
): Promise<void> {
  const beganMs = deps.clock.monotonicMs();
  const spanAttributes = {
    [attributes.operationName]: "execute_tool",
    [attributes.toolName]: call.name,
    [attributes.toolCallId]: call.callId,
  };
  const result = await deps.tracing.span(
    `execute_tool ${call.name}`,
    { attributes: spanAttributes },
    work,
  );
  await deps.crashPoint("tool-called");
  const { kind } = spec.source;
  deps.metrics.toolCalls.inc({ kind, outcome: result.outcome });
  deps.metrics.toolCallSeconds.observe({ kind }, (deps.clock.monotonicMs() - beganMs) / 1_000);
  const bounded = { ...result, content: boundResult(result.content, deps.resultBytesMax) };
  const { event, message } = finishOf(run, call, bounded);
  await run.recorder.record("tools-finished", { events: [event], messages: [message] });
}

/** The event and the message by which one call ends. */
export function finishOf(
  run: Run,
  call: Pick<CallState, "callId" | "name">,
  result: ToolResult,
  childUsage?: Usage,
): { event: Event; message: NewMessage } {
  const message = toolMessage({
    callId: call.callId,
    name: call.name,
    content: result.content,
    isError: result.outcome !== "done",
  });
  const hash = messageHash(message);
  const outcome = outcomeToProto(result.outcome);
  const event = eventOf({
    case: "toolsFinished",
    value: create(ToolsFinishedSchema, {
      step: run.recorder.state.steps,
      results: [
        {
          callId: call.callId,
          outcome,
          messageHash: hash,
          ...(childUsage ? { usage: childUsage } : {}),
        },
      ],
    }),
  });
  return { event, message: { hash, message } };
}

function executingOf(run: Run, call: CallState, execution: Execution): Event {
  return eventOf({
    case: "toolsExecuting",
    value: create(ToolsExecutingSchema, {
      step: run.recorder.state.steps,
      calls: [{ callId: call.callId, ...execution }],
    }),
  });
}
