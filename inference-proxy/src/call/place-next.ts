import { serviceTokens } from "../admit/index.ts";
import type { CallMeans } from "./open-call.ts";
import { type Seat, unserved } from "./placement.ts";
import { programOf } from "./program-of.ts";
import { promptSummaryOf } from "./prompt-summary.ts";
import type { ReplicaGate } from "./replica-gate.ts";
import { placeSuspect, type SuspectSeat } from "./suspects.ts";
import type { Tries } from "./tries.ts";
import type { CallRequest } from "./types.ts";

/*
 * A place for the next try of a call: at once where one is free, so that a plain call waits for its
 * upstream and for nothing else.
 */

/** Another replica than those that failed, if there is one. */
export function placeNext(
  means: CallMeans,
  request: CallRequest,
  tries: Tries,
  gate: ReplicaGate | undefined,
): SuspectSeat | Promise<SuspectSeat> {
  if (tries.deaths > 0) {
    return placeNextSuspect(means, request, tries, gate);
  }
  const seat = placeCall(means, request, tries.excluded, gate);
  return seat instanceof Promise ? seat.then(notSuspected) : notSuspected(seat);
}

async function placeNextSuspect(
  means: CallMeans,
  request: CallRequest,
  tries: Tries,
  gate: ReplicaGate | undefined,
): Promise<SuspectSeat> {
  const place = async (excluded: ReadonlySet<string>) =>
    await placeCall(means, request, excluded, gate);
  const placed = await placeSuspect(means, request, tries.excluded, place);
  // Where the only replica left is the one that broke, perhaps just an old connection did: once
  // more, on a new one.
  return placed.seat === undefined && tries.failure?.kind === "died"
    ? await placeSuspect(means, request, nobody, place)
    : placed;
}

const nobody: ReadonlySet<string> = new Set();
const nothingToClear = () => {};

function notSuspected(seat: Seat | undefined): SuspectSeat {
  return { seat, isAlone: false, clear: nothingToClear };
}

function placeCall(
  means: CallMeans,
  request: CallRequest,
  excluded: ReadonlySet<string>,
  gate: ReplicaGate | undefined,
): Seat | undefined | Promise<Seat | undefined> {
  const { model, lane, bodyBytes, signal, prompt, caller } = request;
  const fromMs = means.clock.monotonicMs();
  const placing = means.placement.place({
    model,
    excluded,
    prompt: promptSummaryOf(prompt),
    lane,
    tenant: caller.tenant,
    program: programOf(request),
    serviceTokensExpected: serviceTokensExpected(means, request),
    bodyBytes,
    waitMsMax: request.queueWaitMsMax ?? means.limits.queueWaitMsMax,
    heldBackWaitMsMax: means.limits.heldBackWaitMsMax,
    signal,
    gate,
  });
  return placing instanceof Promise
    ? placing.then((seat) => notePlace(means, request, seat, fromMs))
    : notePlace(means, request, placing, fromMs);
}

function notePlace(
  { clock, metrics, receipts }: CallMeans,
  request: CallRequest,
  seat: Seat | undefined,
  fromMs: number,
): Seat | undefined {
  const { lane } = request;
  const waitedMs = clock.monotonicMs() - fromMs;
  metrics.placementSeconds.observe({ lane }, waitedMs / 1000);
  if (seat !== undefined) {
    const { endpoint: replica, consider, cachedTokensExpected, queued } = seat;
    try {
      receipts.decided(request, {
        replica,
        waitedMs: queued === undefined ? 0 : waitedMs,
        consider,
        cachedTokensExpected,
      });
    } catch (error) {
      seat.release(unserved);
      throw error;
    }
  }
  return seat;
}

/** Nothing is known of the cache yet, and what an answer may have is not what it will have. */
function serviceTokensExpected({ ratios, limits }: CallMeans, request: CallRequest): number {
  const { model, bodyBytes, answerTokensMax = limits.answerTokensExpected } = request;
  const answerTokens = Math.min(answerTokensMax, limits.answerTokensExpected);
  return serviceTokens(ratios.estimate(model, bodyBytes), answerTokens);
}
