import type { OpenCall } from "../call/end-call.ts";
import type { CallFault, CallMeans } from "../call/open-call.ts";
import { nothingUsed, reserveReused } from "../call/reserve-limits.ts";
import type { OpenFresh, ReuseAsk } from "../call/reuse.ts";
import type { CallRequest } from "../call/types.ts";
import { type Flight, type FlightAnswer, startFlight } from "./flight.ts";
import type { AnswerCacheMetrics } from "./metrics.ts";
import { followerCall, followerFault, leaderCall } from "./reused-call.ts";
import type { SharingLimits } from "./types.ts";

/** One request that may be reused. */
export interface Asked {
  readonly means: CallMeans;
  readonly request: CallRequest;
  readonly ask: ReuseAsk;
  readonly openFresh: OpenFresh;
  /** Gets the finished answer of a request that is to be stored. */
  readonly onAnswer: FlightAnswer;
}

/** Calls under way, by what is asked. */
export interface Flights {
  /** Joins an equal call that is under way, or starts one that others may join. */
  leadOrFollow(asked: Asked): Promise<OpenCall | CallFault>;
}

/**
 * Failed leaders that one request waits for before it goes its own way: each may have taken as long
 * as a call may take.
 */
const leadersMax = 2;

/**
 * Bytes of a call that are held for those who may still come: about a hundred tokens. A thousand
 * streams that nobody joins must not fill the memory.
 */
const aloneBytesMax = 32_768;

/** Holds each call until it ends. */
export function createFlights(
  metrics: AnswerCacheMetrics,
  { answerCacheAnswerBytesMax, sharedBytesMax }: SharingLimits,
): Flights {
  const flights = new Map<string, Flight>();
  const storedBytesMax = Math.max(answerCacheAnswerBytesMax, sharedBytesMax);
  const heldToStore = { bytesMax: storedBytesMax, aloneBytesMax: storedBytesMax };
  const heldToShare = {
    bytesMax: sharedBytesMax,
    aloneBytesMax: Math.min(aloneBytesMax, sharedBytesMax),
  };

  /** Starts a call that others may follow; registered before anything is waited for. */
  const start = ({ request, ask, openFresh, onAnswer }: Asked): Flight => {
    const key = flightKey(request, ask);
    const flight = startFlight({
      request,
      openFresh,
      held: ask.stores ? heldToStore : heldToShare,
      onAnswer: ask.stores ? onAnswer : undefined,
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

  /**
   * Undefined when the call that was under way failed before its answer began. Who waits for it is
   * under its own limits meanwhile; who is not to have it counts when it asks anew.
   */
  const follow = async (
    { means, request }: Asked,
    flight: Flight,
  ): Promise<OpenCall | CallFault | undefined> => {
    const startedAtMs = means.clock.monotonicMs();
    const reserved = reserveReused(means, request);
    const reservation = reserved instanceof Promise ? await reserved : reserved;
    metrics.followers.inc();
    const heard = await flight
      .listen(request)
      .catch((error: unknown) => {
        reservation.settle(nothingUsed);
        throw error;
      })
      .finally(() => metrics.followers.dec());
    if (heard === undefined) {
      reservation.settle({ ...nothingUsed, requests: 0 });
      return undefined;
    }
    const opened = { startedAtMs, reservation };
    if (heard.kind === "fault") {
      return followerFault(means, request, heard, opened);
    }
    metrics.answers.inc({ from: "flight" });
    return followerCall(means, request, heard, opened);
  };

  return {
    leadOrFollow: async (asked) => {
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
    },
  };
}

/**
 * What is shared must be sent in one form and wait in one lane: a caller in a better lane does not
 * wait behind one in a worse.
 */
function flightKey({ isStream, lane }: CallRequest, { key }: ReuseAsk): string {
  return `${key} ${isStream ? "stream" : "whole"} ${lane}`;
}
