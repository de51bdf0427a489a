import type { OpenCall } from "../call/end-call.ts";
import type { CallFault, CallMeans } from "../call/open-call.ts";
import type { AnswerReuse, OpenFresh, ReuseAsk } from "../call/reuse.ts";
import type { CallRequest } from "../call/types.ts";
import type { AnswerStore } from "./answer-store.ts";
import { isFinished } from "./finished.ts";
import { type Flight, startFlight } from "./flight.ts";
import type { AnswerCacheMetrics } from "./metrics.ts";
import { followerCall, leaderCall, storedCall } from "./reused-call.ts";
import type { SharingLimits } from "./types.ts";

/** What reusing answers needs of the process. */
export interface AnswerReuseMeans {
  readonly store: AnswerStore;
  readonly metrics: AnswerCacheMetrics;
  readonly limits: SharingLimits;
}

/** One request that may be reused. */
interface Asked {
  readonly means: CallMeans;
  readonly request: CallRequest;
  readonly ask: ReuseAsk;
  readonly openFresh: OpenFresh;
}

/**
 * Failed leaders that one request waits for before it goes its own way: each may have taken as long
 * as a call may take.
 */
const leadersMax = 2;

/** Joins the store of finished answers with the calls that are under way. */
export function createAnswerReuse(reuse: AnswerReuseMeans): AnswerReuse {
  const { store, metrics } = reuse;
  const { sharedBytesMax, answerCacheAnswerBytesMax: answerBytesMax } = reuse.limits;
  const flights = new Map<string, Flight>();

  /** Starts a call that others may follow; registered before anything is waited for. */
  const start = ({ request, ask, openFresh }: Asked): Flight => {
    const key = flightKey(request, ask);
    const flight = startFlight({
      request,
      openFresh,
      bytesMax: ask.stores ? Math.max(answerBytesMax, sharedBytesMax) : sharedBytesMax,
      onAnswer: (call, bytes) => {
        if (ask.stores) {
          keep(reuse, request, { ask, call, bytes });
        }
      },
      onClosed: () => {
        if (flights.get(key) === flight) {
          flights.delete(key);
        }
      },
    });
    if (ask.shares && !flights.has(key)) {
      flights.set(key, flight);
    }
    return flight;
  };

  const lead = async (asked: Asked): Promise<OpenCall | CallFault> => {
    const { request, ask } = asked;
    const flight = start(asked);
    const heard = await flight.listen(request);
    if (heard === undefined) {
      throw flight.failure;
    }
    if (heard.kind === "fault") {
      return heard;
    }
    if (!ask.stores) {
      return leaderCall(request, heard, undefined);
    }
    metrics.answers.inc({ from: "upstream" });
    return leaderCall(request, heard, { from: "upstream" });
  };

  /** Undefined when the call that was under way failed before its answer began. */
  const follow = async (
    { means, request }: Asked,
    flight: Flight,
  ): Promise<OpenCall | CallFault | undefined> => {
    const startedAtMs = means.clock.monotonicMs();
    metrics.followers.inc();
    const heard = await flight.listen(request).finally(() => metrics.followers.dec());
    if (heard?.kind !== "open") {
      return heard;
    }
    metrics.answers.inc({ from: "flight" });
    return await followerCall(means, request, heard, startedAtMs);
  };

  const leadOrFollow = async (asked: Asked): Promise<OpenCall | CallFault> => {
    const { request, ask } = asked;
    for (let leaders = 0; ask.shares && leaders < leadersMax; leaders += 1) {
      const flight = flights.get(flightKey(request, ask));
      if (flight === undefined) {
        break;
      }
      const followed = await follow(asked, flight);
      if (followed !== undefined) {
        return followed;
      }
    }
    return await lead(asked);
  };

  return {
    open: async (means, request, ask, openFresh) => {
      const found = ask.stores ? store.find(ask.key) : undefined;
      const stored = found && (await storedCall(means, request, found));
      if (stored !== undefined) {
        metrics.answers.inc({ from: "store" });
        return stored;
      }
      return await leadOrFollow({ means, request, ask, openFresh });
    },
  };
}

/** Stores a finished answer. */
function keep(
  { store, metrics }: AnswerReuseMeans,
  { path }: CallRequest,
  ended: {
    readonly ask: ReuseAsk;
    readonly call: OpenCall;
    readonly bytes: Uint8Array<ArrayBuffer>;
  },
): void {
  const { ask, call, bytes } = ended;
  const { contentType, replica } = call;
  const isStream = call.answer.kind === "stream";
  const answer = { path, isStream, bytes, contentType, replica };
  const isKept = isFinished(path, bytes) && store.keep(ask.key, answer);
  metrics.ended.inc({ result: isKept ? "kept" : "not_kept" });
}

/**
 * What is shared must be sent in one form and wait in one lane: a caller in a better lane does not
 * wait behind one in a worse.
 */
function flightKey({ isStream, lane }: CallRequest, { key }: ReuseAsk): string {
  return `${key} ${isStream ? "stream" : "whole"} ${lane}`;
}
