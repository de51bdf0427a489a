import type { Dispatch, LaneName } from "../log/types.ts";

/** Those who wait for a dispatch, first come first served. */
export interface Pullers {
  /** Waits for a dispatch of one of the lanes. Rejects with the signal's reason on abort. */
  wait(lanes: readonly LaneName[], signal: AbortSignal): Promise<Dispatch>;
  /** Gives a dispatch of the lane to who waits longest for it; false: nobody does. */
  give(lane: LaneName, make: () => Dispatch): boolean;
  /** Fails all who wait. */
  fail(error: Error): void;
  /** Whether somebody waits for the lane. */
  isWanted(lane: LaneName): boolean;
}

interface Puller {
  readonly lanes: readonly LaneName[];
  readonly take: (dispatch: Dispatch) => void;
  readonly fail: (error: Error) => void;
}

/** Nobody waits yet. A worker waits once for each free slot, which bounds the set. */
export function createPullers(): Pullers {
  const waiting = new Set<Puller>();
  const firstFor = (lane: LaneName) => {
    for (const puller of waiting) {
      if (puller.lanes.includes(lane)) {
        return puller;
      }
    }
    return undefined;
  };
  return {
    wait(lanes, signal) {
      return new Promise((resolve, reject) => {
        const leave = () => {
          waiting.delete(puller);
          signal.removeEventListener("abort", onAbort);
        };
        const onAbort = () => {
          leave();
          reject(signal.reason);
        };
        const puller: Puller = {
          lanes,
          take(dispatch) {
            leave();
            resolve(dispatch);
          },
          fail(error) {
            leave();
            reject(error);
          },
        };
        signal.addEventListener("abort", onAbort, { once: true });
        waiting.add(puller);
      });
    },
    give(lane, make) {
      const puller = firstFor(lane);
      puller?.take(make());
      return puller !== undefined;
    },
    fail(error) {
      for (const puller of [...waiting]) {
        puller.fail(error);
      }
    },
    isWanted: (lane) => firstFor(lane) !== undefined,
  };
}
