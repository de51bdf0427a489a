import {
  type AnswerEstimates,
  type Estimate,
  errorOfRefusal,
  type Limiter,
  noReservation,
  type Reservation,
  type Subject,
  type Taken,
  type Used,
} from "../pace/index.ts";
import { noUsage } from "../upstream/usage.ts";
import type { AccountMeans } from "./account.ts";
import { costOf } from "./prices.ts";
import type { CallRequest } from "./types.ts";

/** What reserving needs of the process beyond accounting. */
export interface ReserveMeans {
  readonly limiter: Limiter;
  /** How long answers get, by tenant, key and model. */
  readonly answers: AnswerEstimates;
  readonly limits: { readonly answerTokensExpected: number };
}

/** What of a request says whom it counts for, and how much it will probably use. */
export type EstimatedRequest = Pick<
  CallRequest,
  "caller" | "model" | "operation" | "bodyBytes" | "answerTokensMax"
>;

/** What an estimate is made from. */
export type EstimateMeans = Pick<AccountMeans, "ratios" | "prices"> &
  Pick<ReserveMeans, "answers" | "limits">;

/**
 * Takes what the request will probably use from everything that limits it, all or nothing; throws
 * (or rejects with) the error that names the limit. Synchronous wherever this process holds enough.
 */
export function reserveLimits(
  means: AccountMeans & ReserveMeans,
  request: CallRequest,
): Reservation | Promise<Reservation> {
  return reserve(means, request, estimateOf);
}

/**
 * Takes what a request needs whose answer is, or is going to be, another's: it is a request, open
 * until it is settled, and has no tokens. Refused as any other.
 */
export function reserveReused(
  means: AccountMeans & ReserveMeans,
  request: CallRequest,
): Reservation | Promise<Reservation> {
  return reserve(means, request, () => nothingExpected);
}

/** What such a request has used at its end. */
export const nothingUsed: Used = { inputTokens: 0, outputTokens: 0, cost: 0 };

const nothingExpected: Estimate = { inputTokens: 0, outputTokens: 0, inputCost: 0, outputCost: 0 };

function reserve(
  means: AccountMeans & ReserveMeans,
  request: CallRequest,
  estimate: typeof estimateOf,
): Reservation | Promise<Reservation> {
  const { limiter } = means;
  const { requestsPerMinute } = request.caller;
  if (limiter.isOff && requestsPerMinute === 0) {
    return noReservation;
  }
  const expected = estimate(means, request);
  request.tab?.handOver();
  const taken = limiter.reserve(subjectOf(request), expected, requestsPerMinute);
  return taken instanceof Promise
    ? taken.then((each) => reservationOf(means, each))
    : reservationOf(means, taken);
}

function reservationOf({ metrics }: AccountMeans, taken: Taken): Reservation {
  if (taken.reservation === undefined) {
    const { kind, scope } = taken.refusal.rule;
    metrics.refusals.inc({ kind, scope: Object.keys(scope).join(",") });
    throw errorOfRefusal(taken.refusal, taken.headers);
  }
  return taken.reservation;
}

/** Whom and what limits count the request for. */
export function subjectOf({ caller, model }: Pick<CallRequest, "caller" | "model">): Subject {
  const { tenant, user, keyId: key } = caller;
  return { tenant, user, key, model };
}

/**
 * What the request's maximum allows is rarely what the answer has: the lengths of the key's earlier
 * answers decide, and the maximum only bounds them.
 */
export function estimateOf(
  { answers, ratios, limits, prices }: EstimateMeans,
  request: EstimatedRequest,
): Estimate {
  const { model, bodyBytes, answerTokensMax = Number.POSITIVE_INFINITY } = request;
  if (request.operation === "count_tokens") {
    return nothingExpected;
  }
  const expected = answers.estimate(answersName(request)) ?? limits.answerTokensExpected;
  const inputTokens = ratios.estimate(model, bodyBytes);
  const outputTokens = request.operation === "embeddings" ? 0 : Math.min(expected, answerTokensMax);
  return {
    inputTokens,
    outputTokens,
    inputCost: Number(costOf(prices, model, { ...noUsage, inputTokens })),
    outputCost: Number(costOf(prices, model, { ...noUsage, outputTokens })),
  };
}

/** Under which name the lengths of this request's answers are learned. */
export function answersName({ caller, model }: Pick<CallRequest, "caller" | "model">): string {
  return `${caller.tenant}/${caller.keyId}/${model}`;
}
