import { attributes } from "@warmpath/runtime";
import type { Clock, Logger } from "@warmpath/runtime/base";
import type { Breakers } from "../breakers/index.ts";
import type { Foresight, KvKnowledge } from "../kv-events/index.ts";
import type { ReplicaPaces, TokenRatios } from "../learn/index.ts";
import type { InferenceProxyMetrics } from "../metrics.ts";
import { cacheBreakText, type ReadPrompt } from "../prompt/index.ts";
import type { ReceiptBook } from "../receipts/index.ts";
import { noUsage, type TokenUsage } from "../upstream/usage.ts";
import type { CostAccounts, CostTotals } from "./cost-accounts.ts";
import { costOf, type PriceTable } from "./prices.ts";
import type { CallRequest } from "./types.ts";

/** What is known at the end of a call. */
export interface CallEnd {
  /** "done", "cut", "cancelled", or the reason of the error. */
  readonly outcome: string;
  readonly finishReason: string | undefined;
  /** What the engine reported; undefined when it did not. */
  readonly reported: TokenUsage | undefined;
  /** What it said of the prompt before the answer, if it did; the answer's own tokens are none. */
  readonly promptUsage?: TokenUsage | undefined;
  /** Events that carried a choice: about the tokens of an answer whose usage was not reported. */
  readonly choiceEvents: number;
  /** Size of an answer that came whole and without usage; absent for all others. */
  readonly unreportedBytes?: number;
  readonly replica: string;
  readonly attempts: number;
  readonly startedAtMs: number;
  /** When the request went to the replica that answered. */
  readonly sentAtMs: number;
  readonly firstEventMs: number | undefined;
  /** What was foretold of its cache; undefined where the replica tells no events. */
  readonly foresight?: Foresight | undefined;
  /** Absent where the engine does not tell cached tokens, or there are none to tell. */
  readonly tellsCached?: boolean;
  /** What the session waits for now; see `restOf`. Absent where nothing was served. */
  readonly rest?: string;
}

/** The bill of one call. */
export interface CallReport {
  readonly usage: TokenUsage;
  /** True when the engine did not report usage and it was estimated from what was seen. */
  readonly isEstimated: boolean;
  readonly costNanodollars: bigint;
  readonly firstEventMs: number | undefined;
  /** Mean time between tokens; undefined for an answer of one token or none. */
  readonly interTokenMs: number | undefined;
  /** From the request to the end of its answer. */
  readonly durationMs: number;
  readonly attempts: number;
  /** What the caller has cost since this process started; absent where nothing has a price. */
  readonly totals?: CostTotals | undefined;
}

/** What accounting writes to. */
export interface AccountMeans {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: InferenceProxyMetrics;
  readonly prices: PriceTable;
  readonly costs: CostAccounts;
  readonly paces: ReplicaPaces;
  readonly breakers: Breakers;
  readonly ratios: TokenRatios;
  readonly kvKnowledge: KvKnowledge;
  readonly receipts: ReceiptBook;
}

/** Bills a call and books it. */
export function accountCall(means: AccountMeans, request: CallRequest, end: CallEnd): CallReport {
  const report = billCall(means, request, end);
  bookCall(means, request, end, report);
  return report;
}

/** Turns the end of a call into its bill, which its answer may tell. */
export function billCall(means: AccountMeans, request: CallRequest, end: CallEnd): CallReport {
  const nowMs = means.clock.monotonicMs();
  const usage = end.reported ?? estimateUsage(means.ratios, request, end);
  const costNanodollars = costOf(means.prices, request.model, usage);
  return {
    usage,
    isEstimated: end.reported === undefined,
    costNanodollars,
    totals: means.prices.size === 0 ? undefined : means.costs.add(request, costNanodollars),
    firstEventMs: end.firstEventMs,
    interTokenMs: interTokenMsOf(end, usage, nowMs),
    durationMs: nowMs - end.startedAtMs,
    attempts: end.attempts,
  };
}

/** Counts a call that has been billed, learns from it, logs one line. */
export function bookCall(
  means: AccountMeans,
  request: CallRequest,
  end: CallEnd,
  report: CallReport,
): void {
  learn(means, request, end, report);
  count(means.metrics, request, end, report);
  means.receipts.ended(request, end, report);
  if (means.log.enabled("info")) {
    means.log.info("model call", logFields(request, end, report));
  }
}

/**
 * A call that never opened used nothing, unless its caller left while an upstream was at its
 * prompt; a cut one used its prompt and about a token an event.
 */
function estimateUsage(ratios: TokenRatios, request: CallRequest, end: CallEnd): TokenUsage {
  const { choiceEvents, firstEventMs, unreportedBytes = 0 } = end;
  const leftInPrompt = end.outcome === "cancelled" && end.attempts > 0;
  const isNothing =
    choiceEvents === 0 && firstEventMs === undefined && unreportedBytes === 0 && !leftInPrompt;
  if (isNothing || request.operation === "count_tokens") {
    return noUsage;
  }
  const { promptUsage = noUsage } = end;
  const isText = request.operation !== "embeddings";
  const wholeTokens = isText ? ratios.estimate(request.model, unreportedBytes) : 0;
  const outputTokens = Math.max(choiceEvents, wholeTokens);
  return promptUsage.inputTokens > 0
    ? { ...promptUsage, outputTokens }
    : { ...noUsage, inputTokens: ratios.estimate(request.model, request.bodyBytes), outputTokens };
}

function interTokenMsOf(end: CallEnd, usage: TokenUsage, nowMs: number): number | undefined {
  return end.firstEventMs === undefined || usage.outputTokens < 2
    ? undefined
    : Math.max(0, nowMs - end.sentAtMs - end.firstEventMs) / (usage.outputTokens - 1);
}

function learn(means: AccountMeans, request: CallRequest, end: CallEnd, report: CallReport): void {
  if (end.reported !== undefined) {
    means.ratios.learn(request.model, request.bodyBytes, end.reported.inputTokens);
    if (end.tellsCached === true && end.outcome === "done") {
      const { inputTokens, cachedInputTokens: cachedTokens } = end.reported;
      const prompt = { sentAtMs: end.sentAtMs, inputTokens, cachedTokens };
      means.kvKnowledge.finished(end.replica, prompt, end.foresight);
    }
  }
  if (end.firstEventMs !== undefined) {
    const { interTokenMs } = report;
    means.paces.learn(end.replica, { firstEventMs: end.firstEventMs, interTokenMs });
  }
}

function count(
  metrics: InferenceProxyMetrics,
  { operation, model, prompt }: CallRequest,
  { replica, outcome }: CallEnd,
  report: CallReport,
): void {
  const { usage, firstEventMs, interTokenMs, durationMs } = report;
  // A model that nobody serves is text of a caller, and must not become a label.
  const knownModel = replica === "" ? "" : model;
  metrics.calls.inc({ operation, model: knownModel, replica, outcome });
  countPrompt(metrics, prompt);
  metrics.durationSeconds.observe({ operation, model: knownModel }, durationMs / 1000);
  if (replica === "") {
    return;
  }
  metrics.tokens.inc({ model, kind: "input" }, usage.inputTokens);
  metrics.tokens.inc({ model, kind: "cached_input" }, usage.cachedInputTokens);
  metrics.tokens.inc({ model, kind: "output" }, usage.outputTokens);
  if (usage.reasoningTokens > 0) {
    metrics.tokens.inc({ model, kind: "reasoning" }, usage.reasoningTokens);
  }
  if (usage.cacheWriteTokens > 0) {
    metrics.tokens.inc({ model, kind: "cache_write" }, usage.cacheWriteTokens);
  }
  if (report.costNanodollars > 0n) {
    metrics.costNanodollars.inc({ model }, Number(report.costNanodollars));
  }
  if (firstEventMs !== undefined) {
    metrics.firstEventSeconds.observe({ model, replica }, firstEventMs / 1000);
  }
  if (interTokenMs !== undefined) {
    metrics.interTokenSeconds.observe({ model, replica }, interTokenMs / 1000);
  }
}

function countPrompt(
  { prompts, cacheBreaks }: InferenceProxyMetrics,
  { session, cacheBreak }: ReadPrompt,
): void {
  if (session.id === "") {
    return;
  }
  prompts.inc({ session: session.kind });
  if (cacheBreak !== undefined) {
    cacheBreaks.inc({ cause: cacheBreak.cause });
  }
}

function logFields(
  request: CallRequest,
  end: CallEnd,
  { usage, costNanodollars, totals, isEstimated, interTokenMs, durationMs }: CallReport,
): Record<string, unknown> {
  return {
    request_id: request.requestId,
    operation: request.operation,
    model: request.model,
    replica: end.replica,
    attempts: end.attempts,
    outcome: end.outcome,
    finish_reason: end.finishReason,
    tenant: request.caller.tenant,
    user: request.caller.user,
    agent: request.agent,
    key_id: request.caller.keyId,
    task_id: request.taskId === "" ? undefined : request.taskId,
    session_id: request.sessionId === "" ? undefined : request.sessionId,
    ...promptFields(request.prompt),
    lane: request.lane,
    input_tokens: usage.inputTokens,
    cached_input_tokens: usage.cachedInputTokens,
    predicted_cached_tokens: end.foresight?.cachedTokens,
    cache_write_tokens: usage.cacheWriteTokens === 0 ? undefined : usage.cacheWriteTokens,
    output_tokens: usage.outputTokens,
    reasoning_tokens: usage.reasoningTokens === 0 ? undefined : usage.reasoningTokens,
    usage_estimated: isEstimated,
    cost_nanodollars: costNanodollars.toString(),
    session_cost_nanodollars: totals?.session?.toString(),
    agent_cost_nanodollars: totals?.agent?.toString(),
    user_cost_nanodollars: totals?.user.toString(),
    tenant_cost_nanodollars: totals?.tenant.toString(),
    first_event_ms: round(end.firstEventMs),
    inter_token_ms: round(interTokenMs),
    duration_ms: round(durationMs),
  };
}

/** Which session the prompt goes on with, found or stated, and why it may find nothing cached. */
function promptFields({ session, cacheBreak }: ReadPrompt): Record<string, unknown> {
  return session.id === ""
    ? {}
    : {
        session: session.id,
        session_kind: session.kind,
        parent_session: session.parentId,
        cache_break: cacheBreak === undefined ? undefined : cacheBreakText(cacheBreak),
      };
}

function round(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms * 10) / 10;
}

/** What a span of the call says at its end. */
export function reportAttributes(
  report: CallReport,
  finishReason: string | undefined,
): Record<string, number | string[]> {
  return {
    [attributes.usageInputTokens]: report.usage.inputTokens,
    [attributes.usageCachedInputTokens]: report.usage.cachedInputTokens,
    [attributes.usageOutputTokens]: report.usage.outputTokens,
    [attributes.costNanodollars]: Number(report.costNanodollars),
    ...(finishReason === undefined ? {} : { [attributes.responseFinishReasons]: [finishReason] }),
    ...(report.firstEventMs === undefined
      ? {}
      : { [attributes.timeToFirstTokenMs]: report.firstEventMs }),
  };
}
