import { assert, type Random } from "@warmpath/runtime/base";
import { pickEndpoint } from "./pick-endpoint.ts";
import type { Endpoint, Loads, NoEndpoint, RequestSummary } from "./types.ts";

/** One place taken at one endpoint. */
export interface Booking {
  readonly endpoint: string;
  /** Gives the place back; later calls do nothing. */
  release(): void;
}

/** The count of requests in flight, changed only together with a choice. */
export interface Bookings extends Loads {
  /**
   * Chooses and books in one synchronous step: nobody can choose by a count that is already old.
   */
  pickAndBook(
    endpoints: readonly Endpoint[],
    request: RequestSummary,
  ): { readonly booking: Booking } | { readonly reason: NoEndpoint };
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
      const { endpoint, reason } = pickEndpoint(endpoints, loads, request, random.next());
      return endpoint === undefined ? { reason } : { booking: book(endpoint.name) };
    },
  };
}
