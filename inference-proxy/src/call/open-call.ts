import { attributes, type OpenSpan, type Tracing } from "@warmpath/runtime";
import { assert, errorOfAbort, WarmpathError } from "@warmpath/runtime/base";
import type { Breakers, RetryBudget } from "../breakers/index.ts";
import type { UpstreamPaths } from "../formats/index.ts";
import { askForReport, type Foresight, sessionHeader } from "../kv-events/index.ts";
import type { Liveness } from "../liveness/index.ts";
import type { Prompts } from "../prompt/index.ts";
import { openUpstream } from "../providers/index.ts";
import type { Router } from "../providers/route/index.ts";
import type { UpstreamError } from "../upstream/error-body.ts";
import { type AttemptFailure, errorOfFailure } from "../upstream/failure.ts";
import type { AttemptMeans, ServingPath } from "../upstream/open.ts";
import type { Pool, Replica } from "../upstream/pool.ts";
import { rankHeader } from "../upstream/ranks.ts";
import { bytesOf, type RequestBody } from "../upstream/request-body.ts";
import type { AccountMeans } from "./account.ts";
import type { Afterwards } from "./afterwards.ts";
import { attemptPaths } from "./attempt-paths.ts";
import {
  type CallProgress,
  createOpenCall,
  finishUnopened,
  type OpenCall,
  outcomeOfError,
} from "./end-call.ts";
import type { Failover } from "./failover.ts";
import { noteAttempt } from "./note-attempt.ts";
import { placeNext } from "./place-next.ts";
import { type Placement, type Seat, unserved } from "./placement.ts";
import type { ReplicaGates } from "./replica-gate.ts";
import { type ReserveMeans, reserveLimits } from "./reserve-limits.ts";
import type { AnswerReuse } from "./reuse.ts";
import { absolve, deathsBefore, namePoison, type SuspectMeans, suspect } from "./suspects.ts";
import { createTries } from "./tries.ts";
import type { CallRequest } from "./types.ts";
import { withoutBody } from "./without-body.ts";

/** What a call needs of the process. */
export interface CallMeans extends AccountMeans, ReserveMeans, SuspectMeans {
  readonly pool: Pool;
  readonly placement: Placement;
  readonly breakers: Breakers;
  readonly retries: RetryBudget;
  readonly prompts: Prompts;
  readonly liveness: Liveness;
  readonly attempt: AttemptMeans;
  readonly paths: UpstreamPaths;
  readonly reuse: AnswerReuse;
  readonly gates: ReplicaGates;
  readonly tracing: Tracing;
  readonly afterwards: Afterwards;
  /** The table of routes; undefined where the operator wrote none. */
  readonly router: Router | undefined;
  /** The models that stand in for others; undefined where none is declared. */
  readonly failover: Failover | undefined;
  readonly limits: {
    readonly attemptsMax: number;
    readonly deathsMax: number;
    readonly queueWaitMsMax: number;
    readonly heldBackWaitMsMax: number;
    readonly suspectWaitMsMax: number;
    readonly answerTokensExpected: number;
    readonly heldUpMsMax: number;
    readonly retryAfterMs: number;
  };
}

/** The upstream found fault with the request itself. */
export interface CallFault {
  readonly kind: "fault";
  readonly status: number;
  readonly error: UpstreamError;
  readonly replica: string;
  readonly attempts: number;
}

/**
 * The life of a call up to its first event: pace, place, try; retried elsewhere while nothing was
 * handed on. Every way out but an open call has given its seat back and settled its account.
 */
export function openCall(means: CallMeans, request: CallRequest): Promise<OpenCall | CallFault> {
  const { reuse: ask } = request;
  return ask === undefined
    ? openFresh(means, request)
    : means.reuse.open(means, request, ask, (fresh) => openFresh(means, fresh));
}

async function openFresh(means: CallMeans, request: CallRequest): Promise<OpenCall | CallFault> {
  const startedAtMs = means.clock.monotonicMs();
  const reserved = reserveLimits(means, request);
  const reservation = reserved instanceof Promise ? await reserved : reserved;
  const progress: CallProgress = {
    startedAtMs,
    reservation,
    gate: undefined,
    attempts: 0,
    replica: "",
  };
  try {
    progress.gate = means.gates.open(request, reservation);
    const opened = await tryReplicas(means, request, progress);
    if (opened.kind === "fault") {
      finishUnopened(means, request, progress, "fault");
    }
    return opened;
  } catch (thrown) {
    // A place may have been given back before anything was sent there.
    progress.gate?.done();
    const { aborted, reason } = request.signal;
    const error = aborted ? errorOfAbort(reason) : WarmpathError.from(thrown);
    finishUnopened(means, request, progress, outcomeOfError(error));
    throw error;
  }
}

async function tryReplicas(
  means: CallMeans,
  request: CallRequest,
  progress: CallProgress,
): Promise<OpenCall | CallFault> {
  const tries = createTries(means, means.limits, request, deathsBefore(means, request));
  for (;;) {
    const placing = placeNext(means, request, tries, progress.gate);
    const placed = placing instanceof Promise ? await placing : placing;
    const { seat } = placed;
    if (seat !== undefined) {
      progress.attempts += 1;
      progress.replica = seat.endpoint;
      tries.begin(seat.endpoint);
      const outcome = await tryReplica(means, request, progress, seat, placed.clear);
      if (outcome.kind === "open" || outcome.kind === "fault") {
        if (tries.deaths > 0) {
          absolve(means, request);
        }
        return outcome;
      }
      if (outcome.kind === "died") {
        suspect(means, request);
      }
      if (tries.mayRetryAfter(outcome)) {
        continue;
      }
      if (outcome.kind === "died" && tries.deaths > 1 && placed.isAlone) {
        const named = await namePoison(means, request, seat.endpoint);
        throw named ?? errorOfFailure(outcome, progress.replica, means.limits.retryAfterMs);
      }
    }
    const { failure } = tries;
    assert(failure !== undefined, "the first attempt excludes no replica");
    throw errorOfFailure(failure, progress.replica, means.limits.retryAfterMs);
  }
}

async function tryReplica(
  means: CallMeans,
  request: CallRequest,
  progress: CallProgress,
  seat: Seat,
  clear: () => void,
): Promise<OpenCall | CallFault | AttemptFailure> {
  const replica = means.pool.find(seat.endpoint);
  assert(replica !== undefined, "placement only picks replicas of the pool");
  const span = openSpan(means, request, replica, progress.attempts);
  const sentAtMs = means.clock.monotonicMs();
  let foresight: Foresight | undefined;
  const limits = progress.gate ?? means.gates;
  try {
    // It may have left in the very step that placed it: nobody would tell the upstream so.
    request.signal.throwIfAborted();
    foresight = means.kvKnowledge.send(seat.endpoint, request);
    const send = (path: ServingPath, body: RequestBody) =>
      openUpstream(means.attempt, replica.address, {
        path,
        body: foresight?.wantsReport === true ? askForReport(path, bytesOf(body)) : body,
        headers: headersFor(means.tracing, request, { replica, path, label: foresight?.label }),
        isStream: request.isStream,
        signal: request.signal,
        usesFreshConnection: progress.attempts > 1,
        vigil: means.liveness.begin({
          replica: seat.endpoint,
          isStream: request.isStream,
          promptTokens: means.ratios.estimate(request.model, request.bodyBytes),
        }),
        onHead: (status, fields) => limits.hear(seat.endpoint, status, fields),
      });
    const { path, attempt } = await span.run(() => attemptPaths(means, replica, request, send));
    progress.gate?.done();
    const tried = { replica, sentAtMs, answeredAtMs: means.clock.monotonicMs(), attempt };
    if (attempt.kind === "stream" || attempt.kind === "whole") {
      means.afterwards(() => {
        noteAttempt(means, request, tried);
        means.prompts.served(request.prompt, seat.endpoint);
      });
      const kept = attempt.kind === "stream" ? withoutBody(request) : request;
      return createOpenCall(means, kept, {
        startedAtMs: progress.startedAtMs,
        reservation: progress.reservation,
        attempts: progress.attempts,
        replica,
        seat,
        span,
        sentAtMs,
        path,
        foresight,
        attempt,
      });
    }
    noteAttempt(means, request, tried);
    seat.release(unserved);
    if (attempt.kind === "fault") {
      const { status, error } = attempt;
      span.end(new WarmpathError("failed-upstream-rejected", error.message));
      return {
        kind: "fault",
        status,
        error,
        replica: seat.endpoint,
        attempts: progress.attempts,
      };
    }
    span.end(errorOfFailure(attempt.failure, seat.endpoint, means.limits.retryAfterMs));
    return attempt.failure;
  } catch (error) {
    progress.gate?.done();
    seat.release(unserved);
    span.end(error);
    throw error;
  } finally {
    foresight?.settle();
    clear();
  }
}

function openSpan(
  means: CallMeans,
  request: CallRequest,
  replica: Replica,
  attempt: number,
): OpenSpan {
  if (!means.tracing.enabled) {
    return means.tracing.open("");
  }
  return means.tracing.open(`${request.operation} ${request.model}`, {
    kind: "client",
    attributes: {
      [attributes.operationName]: request.operation,
      [attributes.providerName]: replica.facts.kind,
      [attributes.requestModel]: request.model,
      [attributes.replica]: replica.address.name,
      [attributes.attempt]: attempt,
      [attributes.tenant]: request.caller.tenant,
      [attributes.lane]: request.lane,
      ...(request.answerTokensMax === undefined
        ? {}
        : { [attributes.requestMaxTokens]: request.answerTokensMax }),
      ...(request.sessionId === "" ? {} : { [attributes.conversationId]: request.sessionId }),
      ...(request.taskId === "" ? {} : { [attributes.taskId]: request.taskId }),
    },
  });
}

/**
 * All that an upstream gets to see of our headers: an allow-list, since vLLM lets headers steer the
 * engine, and only what the caller's key may steer it with.
 */
function headersFor(
  tracing: Tracing,
  request: CallRequest,
  {
    replica,
    path,
    label,
  }: {
    readonly replica: Replica;
    readonly path: ServingPath;
    /** Session id by which the engine's events name this request. */
    readonly label: string | undefined;
  },
): Record<string, string> {
  const { facts, address } = replica;
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: request.isStream ? "text/event-stream" : "application/json",
    // Compressing would hold back events, and the bytes are handed on as they come.
    "accept-encoding": "identity",
    "x-request-id": request.requestId,
  };
  if (facts.kind === "vllm" && request.engineHeaders !== undefined) {
    Object.assign(headers, request.engineHeaders);
  }
  if (label !== undefined) {
    headers[sessionHeader] = label;
  }
  if (address.rank !== undefined) {
    headers[rankHeader] = String(address.rank);
  }
  if (address.provider !== undefined && path === request.path && request.apiHeaders !== undefined) {
    Object.assign(headers, request.apiHeaders);
  }
  return Object.assign(headers, tracing.headers());
}
