import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type {
  ExplainRequestsResponseSchema,
  ReceiptOutcomeSchema,
  RouteDecisionSchema,
} from "@warmpath/proto/inference";
import {
  type Decision,
  type Outcome,
  type ReceiptBook,
  reasonOf,
  secondBest,
} from "../receipts/index.ts";
import { sentenceOf } from "./describe-replicas.ts";

/** `ExplainRequests`: a tenant's receipts of a request or a session. */
export function explainRequests(
  receipts: ReceiptBook,
  tenant: string,
  id: string,
): MessageInitShape<typeof ExplainRequestsResponseSchema> {
  return {
    receipts: receipts.find(tenant, id).map((receipt) => ({
      requestId: receipt.requestId,
      at: timestampFromMs(receipt.atMs),
      session: receipt.session,
      sessionKind: receipt.sessionKind,
      model: receipt.model,
      lane: receipt.lane,
      promptTokens: BigInt(receipt.promptTokens),
      decisions: receipt.decisions.map(describeDecision),
      ...(receipt.outcome === undefined ? {} : { outcome: describeOutcome(receipt.outcome) }),
    })),
  };
}

function describeDecision(decision: Decision): MessageInitShape<typeof RouteDecisionSchema> {
  const { atMs, replica, waitedMs, consider } = decision;
  const candidates = consider?.() ?? [];
  return {
    at: timestampFromMs(atMs),
    replica,
    waited: durationFromMs(Math.round(waitedMs)),
    reason: reasonOf(decision),
    secondBest: secondBest(replica, candidates)?.endpoint ?? "",
    candidates: candidates.map(({ endpoint, cost, terms, excluded }) => ({
      replica: endpoint,
      cost,
      terms: { ...terms },
      excludedReason: excluded === undefined ? "" : sentenceOf(excluded),
    })),
  };
}

function describeOutcome(outcome: Outcome): MessageInitShape<typeof ReceiptOutcomeSchema> {
  const { firstEventMs, cachedTokensPredicted: predicted } = outcome;
  return {
    outcome: outcome.outcome,
    duration: durationFromMs(Math.round(outcome.durationMs)),
    ...(firstEventMs === undefined ? {} : { timeToFirstTokenMs: firstEventMs }),
    inputTokens: BigInt(outcome.inputTokens),
    cachedInputTokens: BigInt(outcome.cachedTokens),
    ...(predicted === undefined ? {} : { predictedCachedInputTokens: BigInt(predicted) }),
    outputTokens: BigInt(outcome.outputTokens),
  };
}
