import type { Breakers } from "../breakers/index.ts";
import type { Placing } from "../pick/index.ts";

/**
 * Places that take a trial where the chosen replica is being tried out, in the same synchronous
 * step: a burst never sends more than the stated number to a replica that may be ill.
 */
export function guardPlacing(placing: Placing, breakers: Breakers): Placing {
  return {
    place: (endpoints, request, nowMs) => {
      const placed = placing.place(endpoints, request, nowMs);
      if (!("booking" in placed)) {
        return placed;
      }
      const { booking } = placed;
      const trial = breakers.begin(booking.endpoint, request.model);
      if (trial === undefined) {
        return placed;
      }
      return {
        ...placed,
        booking: {
          endpoint: booking.endpoint,
          cachedTokensExpected: booking.cachedTokensExpected,
          firstEvent: (atMs) => booking.firstEvent(atMs),
          release: (end, atMs) => {
            booking.release(end, atMs);
            trial.end();
          },
        },
      };
    },
  };
}
