import type { OpenSpan } from "@warmpath/runtime";
import { errorOfAbort, WarmpathError } from "@warmpath/runtime/base";
import { serviceTokens } from "../admit/index.ts";
import type { Foresight } from "../kv-events/index.ts";
import { noReservation, type Reservation } from "../pace/index.ts";
import { searchable } from "../upstream/json-scan.ts";
import type { Attempt, ServingPath } from "../upstream/open.ts";
import type { Replica } from "../upstream/pool.ts";
import { noUsage, parseUsage, tellsCached, usageText } from "../upstream/usage.ts";
import type { Watchdog } from "../upstream/watchdog.ts";
import {
  type AccountMeans,
  accountCall,
  billCall,
  bookCall,
  type CallEnd,
  type CallReport,
  reportAttributes,
} from "./account.ts";
import type { Afterwards } from "./afterwards.ts";
import { type AnswerStream, createAnswerStream } from "./answer-stream.ts";
import { noteCut } from "./note-attempt.ts";
import { type Seat, unserved } from "./placement.ts";
import type { QueuePlace } from "./queue-view.ts";
import type { ReplicaGate } from "./replica-gate.ts";
import { answersName, nothingUsed, type ReserveMeans } from "./reserve-limits.ts";
import { restOf } from "./rest-of.ts";
import type { Reused } from "./reuse.ts";
import type { CallRequest } from "./types.ts";

/** How far a call has got. */
export interface CallProgress {
  readonly startedAtMs: number;
  readonly reservation: Reservation;
  /** Limits of replicas; undefined where none has any. */
  gate: ReplicaGate | undefined;
  attempts: number;
  /** The replica tried last; empty before the first. */
  replica: string;
}

/** A call whose answer has begun. */
export interface OpenCall {
  readonly kind: "open";
  readonly replica: Replica;
  readonly attempts: number;
  /** What the caller's own limits have left, as response headers. */
  readonly limitHeaders: Readonly<Record<string, string>>;
  /** Where the request stood in the queue when it joined; absent for one that did not wait. */
  readonly queued?: QueuePlace | undefined;
  readonly contentType: string;
  /** Where the answer comes from, for a call that asked for reuse. */
  readonly reused?: Reused;
  readonly answer:
    | { readonly kind: "stream"; readonly events: AnswerStream }
    | { readonly kind: "whole"; readonly bytes: Uint8Array<ArrayBuffer> };
  /**
   * Ends the call: leaves the upstream, frees the place, settles the account. The first call counts
   * and later ones get its report. The caller's leaving ends it too, whoever else forgets.
   */
  end(error?: unknown): CallReport;
}

/** An attempt that opened, with all that has to be given back at its end. */
export interface OpenedAttempt extends Omit<CallProgress, "replica" | "gate"> {
  readonly replica: Replica;
  readonly seat: Seat;
  readonly span: OpenSpan;
  readonly sentAtMs: number;
  /** By which the upstream was asked: that of the client, or one of another format. */
  readonly path: ServingPath;
  readonly foresight: Foresight | undefined;
  readonly attempt: Extract<Attempt, { readonly kind: "stream" | "whole" }>;
}

/** What a call that is open needs of the process beyond its account. */
export interface OpenMeans extends AccountMeans, ReserveMeans {
  readonly attempt: { readonly watchdog: Watchdog };
  readonly limits: ReserveMeans["limits"] & { readonly heldUpMsMax: number };
  readonly afterwards: Afterwards;
}

/** Joins an opened attempt with its one end. */
export function createOpenCall(
  means: OpenMeans,
  request: CallRequest,
  opened: OpenedAttempt,
): OpenCall {
  const { attempt, replica } = opened;
  const answer = answerOf(means, request, opened, (error) => end(error));
  // The first event of a whole answer is its end, and says nothing about the replica's pace.
  const firstEventMs =
    attempt.kind === "stream" ? means.clock.monotonicMs() - opened.sentAtMs : undefined;
  if (attempt.kind === "stream") {
    opened.seat.firstEvent();
  }
  let report: CallReport | undefined;

  const end = (error?: unknown): CallReport => {
    if (report !== undefined) {
      return report;
    }
    // Until there is one, and where it cannot be made: whoever asks from within is no second end.
    report = unbilled;
    request.signal.removeEventListener("abort", onAbort);
    if (answer.kind === "stream") {
      answer.events.cancel();
    }
    const ended = {
      ...factsOf(answer),
      outcome: error === undefined ? "done" : outcomeOfError(error),
      replica: replica.address.name,
      attempts: opened.attempts,
      startedAtMs: opened.startedAtMs,
      sentAtMs: opened.sentAtMs,
      foresight: opened.foresight,
      firstEventMs,
      rest: restOf(answer),
    };
    let bill: CallReport;
    try {
      bill = billCall(means, request, ended);
      report = bill;
      // Before its answer: the caller's next request may have come already, in the same turn.
      settleLimits(means, request, opened.reservation, bill);
    } catch (fault) {
      giveBack(opened, fault);
      throw fault;
    }
    const close = () => closeBooks(means, request, opened, { ended, bill, error });
    if (error === undefined) {
      means.afterwards(close);
    } else {
      // No answer is behind it, and who is next may have what it held.
      close();
    }
    return bill;
  };
  const onAbort = () => {
    end(errorOfAbort(request.signal.reason));
  };
  request.signal.addEventListener("abort", onAbort);
  if (request.signal.aborted) {
    // It left between the first event and here: nobody will say so again.
    onAbort();
  }

  return {
    kind: "open",
    replica,
    attempts: opened.attempts,
    limitHeaders: opened.reservation.headers(),
    queued: opened.seat.queued,
    contentType: attempt.contentType,
    answer,
    end,
  };
}

/** What an answer need not wait for: the call's entries, the span and the place. */
function closeBooks(
  means: OpenMeans,
  request: CallRequest,
  opened: OpenedAttempt,
  {
    ended,
    bill,
    error,
  }: {
    readonly ended: CallEnd & { readonly rest: string };
    readonly bill: CallReport;
    readonly error: unknown;
  },
): void {
  const { span, seat } = opened;
  // Whoever ends the call, its line in the log belongs to the call's trace.
  try {
    if (ended.outcome === "cut") {
      noteCut(means, request, opened);
    }
    span.run(() => bookCall(means, request, ended, bill));
  } catch (fault) {
    giveBack(opened, fault);
    throw fault;
  }
  if (span.span.isRecording()) {
    span.span.setAttributes(reportAttributes(bill, ended.finishReason));
  }
  span.end(error);
  const { inputTokens, cachedInputTokens, outputTokens } = bill.usage;
  seat.release({
    serviceTokens: serviceTokens(inputTokens - cachedInputTokens, outputTokens),
    ...(ended.reported !== undefined && {
      usage: {
        promptTokens: inputTokens,
        cachedTokens: ended.tellsCached === true ? cachedInputTokens : undefined,
      },
    }),
    rest: ended.rest,
  });
}

/** Of a call that could not be accounted for. */
function giveBack({ reservation, span, seat }: OpenedAttempt, fault: unknown): void {
  reservation.settle(nothingUsed);
  span.end(fault);
  seat.release(unserved);
}

function answerOf(
  { attempt: { watchdog }, limits: { heldUpMsMax } }: OpenMeans,
  asked: CallRequest,
  { attempt, path, reservation }: OpenedAttempt,
  onGivenUp: (error: WarmpathError) => void,
): OpenCall["answer"] {
  if (attempt.kind === "whole") {
    return { kind: "whole", bytes: attempt.bytes };
  }
  const patience = { watchdog, heldUpMsMax, onGivenUp };
  const events = createAnswerStream(attempt.stream, { path, asked, reservation, patience });
  return { kind: "stream", events };
}

/** Of a call whose account could not be made. */
const unbilled: CallReport = {
  usage: noUsage,
  isEstimated: true,
  costNanodollars: 0n,
  firstEventMs: undefined,
  interTokenMs: undefined,
  durationMs: 0,
  attempts: 0,
};

/** Settles a call that never opened: it used its prompt at most. */
export function finishUnopened(
  means: AccountMeans,
  request: CallRequest,
  progress: CallProgress,
  outcome: string,
): void {
  let used = nothingUsed;
  try {
    const { usage, costNanodollars } = accountCall(means, request, {
      outcome,
      finishReason: undefined,
      reported: undefined,
      choiceEvents: 0,
      replica: progress.replica,
      attempts: progress.attempts,
      startedAtMs: progress.startedAtMs,
      sentAtMs: progress.startedAtMs,
      firstEventMs: undefined,
    });
    const { inputTokens, outputTokens } = usage;
    used = { inputTokens, outputTokens, cost: Number(costNanodollars) };
  } finally {
    if (request.tab === undefined) {
      progress.reservation.settle(used);
    } else {
      request.tab.keep(progress.reservation, used);
    }
  }
}

/** Gives back what the answer did not need, or takes what it had beyond, and learns its length. */
function settleLimits(
  means: ReserveMeans,
  request: CallRequest,
  reservation: Reservation,
  { usage, costNanodollars, isEstimated }: CallReport,
): void {
  if (reservation === noReservation) {
    return;
  }
  const { inputTokens, outputTokens } = usage;
  reservation.settle({ inputTokens, outputTokens, cost: Number(costNanodollars) });
  if (!isEstimated) {
    means.answers.learn(answersName(request), outputTokens);
  }
}

function factsOf(answer: OpenCall["answer"]) {
  if (answer.kind === "whole") {
    const usage = usageText(answer.bytes);
    return {
      finishReason: undefined,
      choiceEvents: 0,
      unreportedBytes: usage === undefined ? answer.bytes.length : 0,
      ...readUsage(usage),
    };
  }
  const { finishReason, choiceEvents, usage, promptUsage } = answer.events.facts;
  return {
    finishReason,
    choiceEvents,
    promptUsage: promptUsage && parseUsage(textOf(promptUsage)),
    ...readUsage(usage && textOf(usage)),
  };
}

function readUsage(usage: string | undefined) {
  return usage === undefined
    ? { reported: undefined, tellsCached: false }
    : { reported: parseUsage(usage), tellsCached: tellsCached(usage) };
}

function textOf(bytes: Uint8Array): string {
  return searchable(bytes).toString();
}

/** An error as accounts name it: the two ways in which a call is cut short have words. */
export function outcomeOfError(error: unknown): string {
  const { reason } = WarmpathError.from(error);
  if (reason === "failed-cancelled") {
    return "cancelled";
  }
  return reason === "failed-upstream-cut" ? "cut" : reason;
}
