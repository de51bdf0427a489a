import type { Clock } from "@warmpath/runtime/base";
import type { Service } from "../admit/index.ts";
import type { Booking } from "../pick/index.ts";
import type { Seat, SeatEnd } from "./placement.ts";
import type { QueuePlace } from "./queue-view.ts";

/** A booking whose release charges the tenant and lets the next one in. */
export class BookedSeat implements Seat {
  readonly endpoint: string;
  readonly cachedTokensExpected: number;
  readonly consider: Seat["consider"];
  readonly queued: QueuePlace | undefined;
  readonly #booking: Booking;
  readonly #service: Service;
  readonly #clock: Clock;
  readonly #onEnd: (serviceTokens: number) => void;
  #isReleased = false;

  constructor(
    { booking, consider }: { readonly booking: Booking; readonly consider: Seat["consider"] },
    service: Service,
    means: {
      readonly queued: QueuePlace | undefined;
      readonly clock: Clock;
      readonly onEnd: (serviceTokens: number) => void;
    },
  ) {
    this.endpoint = booking.endpoint;
    this.cachedTokensExpected = booking.cachedTokensExpected;
    this.consider = consider;
    this.queued = means.queued;
    this.#booking = booking;
    this.#service = service;
    this.#clock = means.clock;
    this.#onEnd = means.onEnd;
  }

  firstEvent(): void {
    this.#booking.firstEvent(this.#clock.monotonicMs());
  }

  release(end: SeatEnd): void {
    if (this.#isReleased) {
      return;
    }
    this.#isReleased = true;
    this.#booking.release(end, this.#clock.monotonicMs());
    this.#service.settle(end.serviceTokens);
    this.#onEnd(end.serviceTokens);
  }
}
