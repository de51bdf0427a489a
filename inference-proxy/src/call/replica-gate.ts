import type { Clock } from "@warmpath/runtime/base";
import {
  createProviderMirror,
  type Estimate,
  type Limiter,
  type Reservation,
} from "../pace/index.ts";
import type { Gate } from "../pick/index.ts";
import type { HeadFields } from "../upstream/attempt.ts";
import type { Watchdog } from "../upstream/watchdog.ts";
import {
  type EstimatedRequest,
  type EstimateMeans,
  estimateOf,
  subjectOf,
} from "./reserve-limits.ts";
import type { CallRequest } from "./types.ts";

/** What one call needs to get past the limits of replicas. */
export interface ReplicaGate extends Gate {
  /** Hears the head of an answer. */
  hear(replica: string, status: number, fields: HeadFields): void;
  /** The attempt that was booked is over, or its answer has begun; later calls do nothing. */
  done(): void;
}

/** The limits that replicas have, and those that they hold us to. */
export interface ReplicaGates {
  /** Undefined where no replica is limited: then a call costs this one question. */
  open(request: CallRequest, reservation: Reservation): ReplicaGate | undefined;
  /** The same for whoever only asks what would be: takes nothing, and wakes nobody. */
  look(request: EstimatedRequest): Gate | undefined;
  /** For calls without a gate: the first answer that speaks of limits is how they become known. */
  hear(replica: string, status: number, fields: HeadFields): void;
}

/** A closed replica is looked at again this often at least, since limits also open early. */
const lookAgainMsMax = 250;

/**
 * Joins the limits of `replica=` in the configuration with the mirror of what upstreams say. `wake`
 * lets those who wait look again.
 */
export function createReplicaGates(options: {
  readonly means: EstimateMeans;
  readonly limiter: Limiter;
  readonly watchdog: Watchdog;
  readonly clock: Clock;
  readonly wake: () => void;
}): ReplicaGates {
  const { means, limiter, watchdog, wake } = options;
  const mirror = createProviderMirror(options);
  let isWakeDue = false;

  const wakeIn = (ms: number): void => {
    if (!isWakeDue) {
      isWakeDue = true;
      watchdog.watch(Math.min(ms, lookAgainMsMax), () => {
        isWakeDue = false;
        wake();
      });
    }
  };

  const isOff = (): boolean => limiter.areReplicasFree && !mirror.isActive;
  const limitsFor = (request: EstimatedRequest, estimate: Estimate): Gate => {
    const subject = subjectOf(request);
    return {
      waitMs: (replica) => {
        const ownMs = limiter.areReplicasFree
          ? 0
          : limiter.replicaWaitMs(replica, subject, estimate);
        return Math.max(ownMs, mirror.waitMs(replica, estimate));
      },
      isKeptAlone: (replica) =>
        !limiter.areReplicasFree && limiter.isKeptAlone(replica, subject, estimate),
      book: () => undefined,
    };
  };

  return {
    hear: (replica, status, fields) => mirror.hear(replica, status, fields),
    look: (request) => (isOff() ? undefined : limitsFor(request, estimateOf(means, request))),
    open: (request, reservation) => {
      if (isOff()) {
        return undefined;
      }
      const need: Estimate = estimateOf(means, request);
      const limits = limitsFor(request, need);
      /** Where the mirror counts it. */
      let sentTo: string | undefined;
      const done = (): void => {
        if (sentTo !== undefined) {
          mirror.done(sentTo, need);
          sentTo = undefined;
        }
      };
      return {
        waitMs: (replica) => {
          const waitMs = limits.waitMs(replica);
          if (waitMs > 0) {
            wakeIn(waitMs);
          }
          return waitMs;
        },
        isKeptAlone: limits.isKeptAlone,
        book: (replica) => {
          // It was just asked in the same step, so nothing refuses now.
          reservation.moveTo(replica);
          // A place that was given back before anything was sent there.
          done();
          sentTo = mirror.send(replica, need) ? replica : undefined;
        },
        hear: (replica, status, fields) =>
          mirror.hear(replica, status, fields, sentTo === replica ? need : undefined),
        done,
      };
    },
  };
}
