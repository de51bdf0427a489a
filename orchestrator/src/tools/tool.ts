import type { Principal } from "@warmpath/runtime";

/** How a call ended. `unknown`: nobody can tell whether it took effect. */
export type ToolOutcome = "done" | "failed" | "unknown";

/** What a call came to; the text is what the model reads. */
export interface ToolResult {
  readonly outcome: ToolOutcome;
  readonly content: string;
}

/** One call, with everything a tool may depend on. */
export interface ToolCall {
  /** Valid under the tool's schema. */
  readonly argumentsJson: string;
  /** The same for every attempt at this call and for no other. */
  readonly idempotencyKey: string;
  readonly principal: Principal;
  readonly taskId: string;
  readonly timeoutMs: number;
  /** Aborts at the timeout, on cancel, and when the worker has lost its lease. */
  readonly signal: AbortSignal;
}

/** A tool that a worker can execute itself or through a service. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema (2020-12) of the arguments object, as JSON text. */
  readonly parametersJson: string;
  /** True when a second call with the same key has no second effect. */
  readonly idempotent: boolean;
  /** Runs the call; may throw, which counts as a failure of the call and never of the run. */
  call(call: ToolCall): Promise<ToolResult>;
  /** Present when the tool can say what became of an earlier call. */
  reconcile?(call: Omit<ToolCall, "argumentsJson">): Promise<ToolResult>;
}

/** A success with its text. */
export function done(content: string): ToolResult {
  return { outcome: "done", content };
}

/** A failure without effect; the sentence should help the model to do better. */
export function failed(content: string): ToolResult {
  return { outcome: "failed", content };
}
