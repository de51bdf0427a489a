import type { Clock } from "@warmpath/runtime/base";
import type { CallEnd, CallReport } from "../call/account.ts";
import type { CallRequest } from "../call/types.ts";
import { cacheBreakText } from "../prompt/index.ts";
import { failedRest, stopRest } from "../sessions/index.ts";
import type { Considered, Decision, Outcome, Receipt, ReceiptLimits } from "./types.ts";

/*
 * What was decided for whom, and why. Cost per request: two small objects, a map entry while it is
 * under way, and a place in a ring. Explanations are closures over snapshots; nobody runs them but
 * a reader.
 */

/** The receipts of this process. */
export interface ReceiptBook {
  /** A replica was chosen for a request. */
  decided(request: CallRequest, made: Omit<Decision, "atMs">): void;
  /** The request has ended, whether anything was decided or not. */
  ended(request: CallRequest, end: CallEnd, report: CallReport): void;
  /** A tenant's receipts of a request or a session, the newest first. */
  find(tenant: string, id: string): readonly Receipt[];
  /** Requests under way, and receipts in memory. */
  readonly open: number;
  readonly kept: number;
}

interface Draft extends Receipt {
  readonly decisions: Decision[];
  outcome: Outcome | undefined;
}

/** More receipts of one session than these are not listed. */
const foundMax = 50;

/**
 * Remembers the last receipts, and hands each ended one on. Whoever books a request ends it exactly
 * once, so what is open is bounded by what is in flight.
 */
export function createReceiptBook(options: {
  readonly clock: Clock;
  readonly limits: ReceiptLimits;
  readonly onEnded?: ((receipt: Receipt) => void) | undefined;
}): ReceiptBook {
  const { clock, onEnded } = options;
  const size = options.limits.receiptsKept;
  const ring: Receipt[] = [];
  const open = new Map<string, Draft>();
  let next = 0;

  const draftOf = (request: CallRequest): Draft => {
    const known = open.get(request.requestId);
    if (known !== undefined) {
      return known;
    }
    // Field by field: the request itself would keep its body alive.
    const { requestId, caller, model, operation, lane, bodyBytes, answerTokensMax } = request;
    const { keys, chunkTokens, promptTokens, isExact, session, cacheBreak } = request.prompt;
    return {
      requestId,
      atMs: clock.nowMs(),
      tenant: caller.tenant,
      session: session.id,
      parent: session.parentId,
      sessionStated: request.sessionId,
      sessionKind: session.kind,
      cacheBreak: cacheBreak === undefined ? undefined : cacheBreakText(cacheBreak),
      model,
      operation,
      lane,
      bodyBytes,
      answerTokensMax,
      promptKeys: keys,
      chunkTokens,
      promptTokens,
      isExact,
      decisions: [],
      outcome: undefined,
    };
  };

  return {
    decided: (request, made) => {
      const draft = draftOf(request);
      draft.decisions.push({ atMs: clock.nowMs(), ...made });
      open.set(request.requestId, draft);
    },
    ended: (request, end, report) => {
      const draft = draftOf(request);
      open.delete(request.requestId);
      draft.outcome = outcomeOf(draft, end, report);
      ring[next] = draft;
      next = (next + 1) % size;
      onEnded?.(draft);
    },
    find: (tenant, id) => {
      const found: Receipt[] = [];
      const isAsked = (receipt: Receipt): boolean =>
        receipt.tenant === tenant &&
        (receipt.requestId === id || receipt.session === id || receipt.sessionStated === id);
      found.push(...[...open.values()].filter(isAsked).toReversed());
      for (let back = 1; back <= ring.length && found.length < foundMax; back += 1) {
        const receipt = ring[(next - back + ring.length) % ring.length];
        if (receipt !== undefined && isAsked(receipt)) {
          found.push(receipt);
        }
      }
      return found.slice(0, foundMax);
    },
    get open() {
      return open.size;
    },
    get kept() {
      return ring.length;
    },
  };
}

function outcomeOf({ decisions }: Receipt, end: CallEnd, report: CallReport): Outcome {
  const { usage } = report;
  return {
    outcome: end.outcome,
    durationMs: report.durationMs,
    firstEventMs: report.firstEventMs,
    interTokenMs: report.interTokenMs,
    inputTokens: usage.inputTokens,
    cachedTokens: usage.cachedInputTokens,
    cachedTokensPredicted: end.foresight?.cachedTokens ?? decisions.at(-1)?.cachedTokensExpected,
    outputTokens: usage.outputTokens,
    isEstimated: report.isEstimated,
    asksForTools: end.rest !== undefined && end.rest !== stopRest && end.rest !== failedRest,
  };
}

/** The best of those that were eligible but not chosen; undefined when there was none. */
export function secondBest(
  replica: string,
  considered: readonly Considered[],
): Considered | undefined {
  return considered.find((each) => each.excluded === undefined && each.endpoint !== replica);
}

/** Why a replica was chosen, in one sentence: the term that set it apart from the second best. */
export function reasonOf({ replica, consider }: Decision): string {
  const considered = consider?.() ?? [];
  const chosen = considered.find((each) => each.endpoint === replica);
  if (chosen === undefined) {
    return "The candidates were not recorded.";
  }
  const second = secondBest(replica, considered);
  if (second === undefined) {
    return "No other replica was eligible.";
  }
  let name = "";
  let gain = 0;
  for (const [term, value] of Object.entries(chosen.terms)) {
    const less = (second.terms[term] ?? 0) - value;
    if (less > gain) {
      name = term;
      gain = less;
    }
  }
  return name === ""
    ? `As good as ${second.endpoint}.`
    : `Less ${name} than at ${second.endpoint}, by ${Number(gain.toPrecision(3))} s.`;
}
