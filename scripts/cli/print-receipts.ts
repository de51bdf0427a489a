import { durationMs, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Receipt, RouteCandidate, RouteDecision } from "@warmpath/proto/inference";

/** The receipts for people: what each request was, where it went, why, and what became of it. */
export function receiptsText(receipts: readonly Receipt[]): string {
  return receipts.map(receiptText).join("\n");
}

function receiptText(receipt: Receipt): string {
  const { requestId, at, model, lane, promptTokens, session, sessionKind, decisions } = receipt;
  const when = at === undefined ? "" : timestampDate(at).toISOString();
  const turn = session === "" ? "" : `, ${sessionKind} of ${session}`;
  return [
    `${requestId}  ${when}`,
    `  ${model}, lane ${lane}, about ${promptTokens} prompt tokens${turn}`,
    ...decisions.flatMap(decisionLines),
    ...(decisions.length === 0 ? ["  no replica was needed, or none was to be had"] : []),
    `  ${outcomeText(receipt)}`,
    "",
  ].join("\n");
}

function decisionLines(decision: RouteDecision): readonly string[] {
  const { replica, reason, waited, candidates } = decision;
  const waitedMs = waited === undefined ? 0 : durationMs(waited);
  return [
    `  → ${replica}${waitedMs < 1 ? "" : ` after ${waitedMs} ms in the queue`}: ${reason}`,
    ...candidates.map((candidate) => `      ${candidateText(candidate)}`),
  ];
}

/** One candidate with the terms of its cost, or why it was out. */
export function candidateText({ replica, cost, terms, excludedReason }: RouteCandidate): string {
  if (excludedReason !== "") {
    return `${replica}  ${excludedReason}`;
  }
  const parts = Object.entries(terms).map(([name, value]) => `${name} ${short(value)}`);
  return `${replica}  ${short(cost)} s${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`;
}

function outcomeText({ outcome }: Receipt): string {
  if (outcome === undefined) {
    return "under way";
  }
  const { timeToFirstTokenMs: first, predictedCachedInputTokens: predicted } = outcome;
  const lasted = outcome.duration === undefined ? 0 : durationMs(outcome.duration);
  return [
    `${outcome.outcome} after ${lasted} ms`,
    ...(first === undefined ? [] : [`first token after ${short(first)} ms`]),
    `${outcome.inputTokens} tokens in (${outcome.cachedInputTokens} cached${
      predicted === undefined ? "" : `, ${predicted} foretold`
    })`,
    `${outcome.outputTokens} out`,
  ].join(", ");
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
