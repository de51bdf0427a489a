import { errorOfAbort } from "@warmpath/runtime/base";
import { accountCall, type CallReport } from "../call/account.ts";
import { type OpenCall, outcomeOfError } from "../call/end-call.ts";
import type { CallFault, CallMeans } from "../call/open-call.ts";
import { nothingUsed, reserveReused } from "../call/reserve-limits.ts";
import type { Reused } from "../call/reuse.ts";
import type { CallRequest } from "../call/types.ts";
import type { Reservation } from "../pace/index.ts";
import { noUsage } from "../upstream/usage.ts";
import type { Found } from "./answer-store.ts";
import type { Listening } from "./flight.ts";
import { replay } from "./replay.ts";

/*
 * Reused answers as open calls. Each has the one end that every open call has, and an account of
 * its own: a request was made, and no tokens were used.
 */

/** The first caller's: the upstream call is in its name, and ends when nobody listens any more. */
export function leaderCall(
  request: CallRequest,
  heard: Listening,
  reused: Reused | undefined,
): OpenCall {
  const { call, answer } = heard;
  const end = endOnce(request, answer, (error) =>
    // While others listen the call goes on, and is accounted at its own end.
    heard.leave(error) ? call.end(error) : nothingReported(call.attempts),
  );
  return { ...call, answer, end, ...(reused === undefined ? {} : { reused }) };
}

/** How far one who waited for another's call has got. */
interface Followed {
  readonly startedAtMs: number;
  readonly reservation: Reservation;
}

/** One who listens to another's call. */
export function followerCall(
  means: CallMeans,
  request: CallRequest,
  heard: Listening,
  { startedAtMs, reservation }: Followed,
): OpenCall {
  const { call, answer } = heard;
  const limitHeaders = reservation.headers();
  const end = endOnce(request, answer, (error) => {
    heard.leave(error);
    reservation.settle(nothingUsed);
    return account(means, request, { call, startedAtMs, outcome: "shared", error });
  });
  return { ...call, limitHeaders, answer, end, reused: { from: "flight" } };
}

/** One who listened to a call that the upstream found fault with: that is an answer too. */
export function followerFault(
  means: CallMeans,
  request: CallRequest,
  fault: CallFault,
  { startedAtMs, reservation }: Followed,
): CallFault {
  reservation.settle(nothingUsed);
  accountUnused(means, request, { replica: fault.replica, startedAtMs, outcome: "fault" });
  return fault;
}

/**
 * A stored answer's call; undefined when it cannot be told in the form that the request wants.
 * Rejects when the key's requests are used up.
 */
export async function storedCall(
  means: CallMeans,
  request: CallRequest,
  { answer: stored, ageMs }: Found,
  similarity?: number,
): Promise<OpenCall | undefined> {
  const replayed = replay(stored, request);
  if (replayed === undefined) {
    return undefined;
  }
  const startedAtMs = means.clock.monotonicMs();
  const reservation = await reserveReused(means, request);
  const call = { replica: stored.replica, attempts: 0, limitHeaders: reservation.headers() };
  const outcome = similarity === undefined ? "hit" : "semantic_hit";
  const end = endOnce(request, replayed.answer, (error) => {
    reservation.settle(nothingUsed);
    return account(means, request, { call, startedAtMs, outcome, error });
  });
  return { kind: "open", ...call, ...replayed, end, reused: { from: "store", ageMs, similarity } };
}

/** The end of a call, at most once; the caller's leaving is one. */
function endOnce(
  { signal }: CallRequest,
  answer: OpenCall["answer"],
  finish: (error: unknown) => CallReport,
): OpenCall["end"] {
  let report: CallReport | undefined;
  const end = (error?: unknown): CallReport => {
    if (report === undefined) {
      signal.removeEventListener("abort", onAbort);
      if (answer.kind === "stream") {
        answer.events.cancel();
      }
      report = finish(error);
    }
    return report;
  };
  const onAbort = () => {
    end(errorOfAbort(signal.reason));
  };
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) {
    // It left while the answer was looked for: nobody will say so again.
    onAbort();
  }
  return end;
}

function account(
  means: CallMeans,
  request: CallRequest,
  ended: {
    readonly call: Pick<OpenCall, "replica" | "attempts">;
    readonly startedAtMs: number;
    readonly outcome: string;
    readonly error: unknown;
  },
): CallReport {
  const { call, startedAtMs, error } = ended;
  return accountUnused(means, request, {
    replica: call.replica.address.name,
    startedAtMs,
    outcome: error === undefined ? ended.outcome : outcomeOfError(error),
  });
}

function accountUnused(
  means: CallMeans,
  request: CallRequest,
  {
    replica,
    startedAtMs,
    outcome,
  }: { readonly replica: string; readonly startedAtMs: number; readonly outcome: string },
): CallReport {
  return accountCall(means, request, {
    outcome,
    finishReason: undefined,
    reported: noUsage,
    choiceEvents: 0,
    replica,
    attempts: 0,
    startedAtMs,
    sentAtMs: startedAtMs,
    // Nothing was asked of the replica, so nothing is learned of its pace.
    firstEventMs: undefined,
  });
}

function nothingReported(attempts: number): CallReport {
  return {
    usage: noUsage,
    isEstimated: false,
    costNanodollars: 0n,
    firstEventMs: undefined,
    interTokenMs: undefined,
    durationMs: 0,
    attempts,
  };
}
