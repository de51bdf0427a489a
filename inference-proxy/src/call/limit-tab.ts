import type { Reservation, Used } from "../pace/index.ts";

/**
 * What limits hold of a request that is opened at one model after another until one has it: it
 * counts once, and keeps its places between two tries.
 */
export interface LimitTab {
  /** A try ended unserved: what it took stays taken until the next one takes, or there is none. */
  keep(reservation: Reservation, used: Used): void;
  /** To be followed by the next try's reservation in the same step: nobody comes between. */
  handOver(): void;
  /** There is no further try. */
  close(): void;
}

/** An empty tab. */
export function createLimitTab(): LimitTab {
  let kept: { readonly reservation: Reservation; readonly used: Used } | undefined;
  let isClosed = false;
  const settle = (requests: 0 | 1): void => {
    kept?.reservation.settle({ ...kept.used, requests });
    kept = undefined;
  };
  return {
    keep: (reservation, used) => {
      settle(0);
      kept = { reservation, used };
      if (isClosed) {
        settle(1);
      }
    },
    handOver: () => settle(0),
    close: () => {
      isClosed = true;
      settle(1);
    },
  };
}
