import { assert, type Random } from "@warmpath/runtime/base";
import { considerLater } from "./consider-later.ts";
import { pickEndpoint } from "./pick-endpoint.ts";
import type { Candidate, Endpoint, Loads, NoEndpoint, RequestSummary } from "./types.ts";

/** One place taken at one endpoint. */
export interface Booking {
  readonly endpoint: string;
  /** Gives the place back; later calls do nothing. */
  release(): void;
}

/** A choice that has been booked. */
export interface Booked {
  readonly booking: Booking;
  /** What the choice was made from; undefined where that was not kept. */
  readonly consider: (() => readonly Candidate[]) | undefined;
}

/** The count of requests in flight, changed only together with a choice. */
export interface Bookings extends Loads {
  /**
   * Chooses and books in one synchronous step: nobody can choose by a count that is already old.
   */
  pickAndBook(
    endpoints: readonly Endpoint[],
    request: RequestSummary,
  ): Booked | { readonly reason: NoEndpoint };
}

/** Holds one counter per endpoint that has requests in flight; idle endpoints take no room. */
export function createBookings({ random }: { readonly random: Random }): Bookings {
  const counts = new Map<string, number>();
  const loads: Loads = { inFlight: (endpoint) => counts.get(endpoint) ?? 0 };

  const book = (endpoint: string): Booking => {
    counts.set(endpoint, loads.inFlight(endpoint) + 1);
    let isReleased = false;
    return {
      endpoint,
      release: () => {
        if (isReleased) {
          return;
        }
        isReleased = true;
        const left = loads.inFlight(endpoint) - 1;
        assert(left >= 0, "an endpoint never has fewer than no requests in flight");
        if (left === 0) {
          counts.delete(endpoint);
        } else {
          counts.set(endpoint, left);
        }
      },
    };
  };

  return {
    inFlight: loads.inFlight,
    pickAndBook: (endpoints, request) => {
      const tie = random.next();
      const { endpoint, reason } = pickEndpoint(endpoints, loads, request, tie);
      if (endpoint === undefined) {
        return { reason };
      }
      // Before the booking, which is no part of what it was decided by.
      const consider = considerLater(endpoints, loads, request, tie);
      return { booking: book(endpoint.name), consider };
    },
  };
}
