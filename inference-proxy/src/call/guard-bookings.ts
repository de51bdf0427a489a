import type { Breakers } from "../breakers/index.ts";
import type { Bookings } from "../pick/index.ts";

/**
 * Bookings that take a trial place where the chosen replica is being tried out, in the same
 * synchronous step: a burst never sends more than the stated number to a replica that may be ill.
 */
export function guardBookings(bookings: Bookings, breakers: Breakers): Bookings {
  return {
    inFlight: (endpoint) => bookings.inFlight(endpoint),
    pickAndBook: (endpoints, request) => {
      const picked = bookings.pickAndBook(endpoints, request);
      if (!("booking" in picked)) {
        return picked;
      }
      const { booking } = picked;
      const trial = breakers.begin(booking.endpoint, request.model);
      if (trial === undefined) {
        return picked;
      }
      return {
        ...picked,
        booking: {
          endpoint: booking.endpoint,
          release: () => {
            booking.release();
            trial.end();
          },
        },
      };
    },
  };
}
