import { type Clock, messageOf, timeoutSignal } from "@warmpath/runtime/base";
import type { SpecTool } from "../agents/agent-spec.ts";
import { boundResult } from "./bound-result.ts";
import type { Bulkhead } from "./bulkhead.ts";
import { failed, type Tool, type ToolCall, type ToolResult } from "./tool.ts";

/** What bounds a tool call. */
export interface CallToolDeps {
  readonly clock: Clock;
  readonly bulkhead: Bulkhead;
  readonly resultBytesMax: number;
}

/**
 * Executes one call within its timeout. A tool that throws or hangs fails its call, not the run.
 * Rejects only when the run itself was stopped.
 */
export async function callTool(
  tool: Tool,
  source: SpecTool["source"],
  call: Omit<ToolCall, "signal">,
  stop: AbortSignal,
  deps: CallToolDeps,
): Promise<ToolResult> {
  const integration = source.kind === "remote" ? source.url : tool.name;
  const result = await within(call, stop, deps, integration, (signal) =>
    tool.call({ ...call, argumentsJson: call.argumentsJson || "{}", signal }),
  );
  // Built-in tools only read.
  if (source.kind === "builtin" && result.outcome === "unknown") return failed(result.content);
  if (result.outcome !== "unknown" || !tool.reconcile) return result;
  return await reconcile(tool, source, call, stop, deps);
}

/** Asks a tool what became of an earlier call; a tool that cannot say leaves it unknown. */
export async function reconcile(
  tool: Tool,
  source: SpecTool["source"],
  call: Omit<ToolCall, "signal" | "argumentsJson">,
  stop: AbortSignal,
  deps: CallToolDeps,
): Promise<ToolResult> {
  const integration = source.kind === "remote" ? source.url : tool.name;
  return await within(call, stop, deps, integration, async (signal) => {
    const answer = await tool.reconcile?.({ ...call, signal });
    return answer ?? unknownResult;
  });
}

/** What the model reads of a call whose fate nobody can tell. */
export const unknownResult: ToolResult = {
  outcome: "unknown",
  content:
    "The call was interrupted and nobody knows whether it took effect. It was not repeated. Do not assume either; check with another tool, or say so in the answer.",
};

async function within(
  call: { readonly timeoutMs: number },
  stop: AbortSignal,
  deps: CallToolDeps,
  integration: string,
  work: (signal: AbortSignal) => Promise<ToolResult>,
): Promise<ToolResult> {
  const timeout = timeoutSignal(deps.clock, call.timeoutMs);
  const signal = AbortSignal.any([timeout.signal, stop]);
  let isBegun = false;
  try {
    const result = await deps.bulkhead.run(integration, signal, () => {
      isBegun = true;
      return abandonOn(signal, work(signal));
    });
    return { ...result, content: boundResult(result.content, deps.resultBytesMax) };
  } catch (error) {
    if (stop.aborted) throw stop.reason;
    if (!timeout.signal.aborted) {
      return failed(boundResult(`The tool failed: ${messageOf(error)}`, deps.resultBytesMax));
    }
    const late = `The tool did not answer within ${call.timeoutMs} ms.`;
    return isBegun
      ? { outcome: "unknown", content: `${late} It may still take effect.` }
      : failed(`${late} It was too busy to be called at all.`);
  } finally {
    timeout.cancel();
  }
}

/** A tool that ignores its signal is left behind; what it still answers is dropped. */
function abandonOn<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const leave = () => reject(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  work.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  return promise;
}
