import type { Usage } from "@warmpath/proto/common";
import type { ToolOutcome } from "../tools/tool.ts";

/** Where one tool call of the current step is. Only ever moves to the right. */
export type CallProgress =
  | { readonly at: "intended" }
  | { readonly at: "executing"; readonly execution: Execution }
  | { readonly at: "finished"; readonly outcome: ToolOutcome; readonly messageHash: Uint8Array };

/**
 * What was promised of a call when it was begun; recovery goes by this, not by what the tool says
 * today.
 */
export interface Execution {
  readonly idempotencyKey: string;
  readonly idempotent: boolean;
  readonly reconcilable: boolean;
  /** Empty unless the tool delegates. */
  readonly childTaskId: string;
}

/** One tool call of the current step. */
export interface CallState {
  readonly callId: string;
  readonly name: string;
  readonly argumentsJson: string;
  readonly progress: CallProgress;
}

/**
 * Everything the loop decides by. Built from events alone, so that any worker comes to the same
 * decision.
 */
export interface RunState {
  readonly lastSeq: bigint;
  readonly lastEpoch: bigint;
  readonly hasEnded: boolean;
  /** Undefined until the run has started. */
  readonly specHash: Uint8Array | undefined;
  /** System prompt and conversation before this task. */
  readonly history: readonly Uint8Array[];
  /** This task's own messages, in the order in which the model reads them. */
  readonly messages: readonly Uint8Array[];
  /** Messages received while calls were open: they follow the calls' results. */
  readonly heldMessages: readonly Uint8Array[];
  /** How many messages of history and own ones the last model call was sent. */
  readonly sentCount: number;
  readonly steps: number;
  readonly finishReason: string;
  /**
   * The last answer, if it asked for no tool and nothing came after it: what the run would end
   * with.
   */
  readonly answerHash: Uint8Array | undefined;
  /** The calls of the current step. */
  readonly calls: readonly CallState[];
  /** Calls intended so far, over all steps. */
  readonly toolCallCount: number;
  /** How often the most repeated call (same tool, same arguments) was intended. */
  readonly repeatsMax: number;
  readonly repeats: ReadonlyMap<string, number>;
  readonly usage: UsageTotals;
}

/** Running totals of a run, without the envelope of a protobuf message. */
export type UsageTotals = Omit<Usage, "$typeName" | "$unknown">;

/** No tokens, no money. */
export const zeroUsage: UsageTotals = {
  inputTokens: 0n,
  cachedInputTokens: 0n,
  outputTokens: 0n,
  reasoningTokens: 0n,
  costNanodollars: 0n,
  modelCalls: 0n,
};

/** The state before the first event. */
export const emptyRun: RunState = {
  lastSeq: 0n,
  lastEpoch: 0n,
  hasEnded: false,
  specHash: undefined,
  history: [],
  messages: [],
  heldMessages: [],
  sentCount: 0,
  steps: 0,
  finishReason: "",
  answerHash: undefined,
  calls: [],
  toolCallCount: 0,
  repeatsMax: 0,
  repeats: new Map(),
  usage: zeroUsage,
};
