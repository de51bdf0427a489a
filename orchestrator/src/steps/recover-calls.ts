import type { Run } from "../run/run.ts";
import type { CallState } from "../run/run-state.ts";
import { callTool, reconcile, unknownResult } from "../tools/call-tool.ts";
import { failed, type ToolResult } from "../tools/tool.ts";
import { finishWith, settleAll, type ToolStepDeps } from "./execute-calls.ts";

/**
 * Settles calls that an earlier worker began and did not finish. An idempotent one is made again
 * with the same key; a reconcilable one is asked about; of any other the model is told that nobody
 * knows. Nothing else is ever repeated.
 */
export async function recoverCalls(
  run: Run,
  calls: readonly CallState[],
  deps: ToolStepDeps,
): Promise<void> {
  await settleAll(calls.map((call) => recoverOne(run, call, deps)));
}

async function recoverOne(run: Run, call: CallState, deps: ToolStepDeps): Promise<void> {
  const spec = run.spec.tools.find(({ name }) => name === call.name);
  if (!spec || call.progress.at !== "executing") {
    throw new Error(`call ${call.callId} cannot be recovered: its tool is not in the pinned spec`);
  }
  const { execution } = call.progress;
  const tool = deps.toolbox.toolFor(spec);
  const request = {
    argumentsJson: call.argumentsJson,
    idempotencyKey: execution.idempotencyKey,
    principal: run.principal,
    taskId: run.ref.taskId,
    timeoutMs: run.spec.limits.toolTimeoutMs,
  };
  const settle = (how: string, work: () => Promise<ToolResult>): Promise<void> => {
    deps.metrics.recoveries.inc({ how });
    run.log.info("settling a call that was under way", { tool: call.name, how });
    return finishWith(run, call, spec, deps, work);
  };
  if (execution.idempotent) {
    return await settle("retried", async () =>
      tool
        ? await callTool(tool, spec.source, request, run.stop, deps)
        : failed(`The tool "${call.name}" is no longer available.`),
    );
  }
  if (execution.reconcilable && tool?.reconcile) {
    return await settle("reconciled", () => reconcile(tool, spec.source, request, run.stop, deps));
  }
  return await settle("unknown", async () => unknownResult);
}
