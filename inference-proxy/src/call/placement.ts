import { WarmpathError } from "@warmpath/runtime/base";
import { createWaitQueue, type Lane, type Service, type WaitLimits } from "../admit/index.ts";
import {
  type Booked,
  type Bookings,
  type Candidate,
  type NoEndpoint,
  pickEndpoint,
  type RequestSummary,
} from "../pick/index.ts";
import type { Pool } from "../upstream/pool.ts";
import type { Watchdog } from "../upstream/watchdog.ts";

/** What placement needs of a request beyond what the policy sees. */
export interface PlaceRequest extends RequestSummary {
  readonly lane: Lane;
  readonly tenant: string;
  /** What its tenant is charged while it is served; see `serviceTokens`. */
  readonly serviceTokensExpected: number;
  readonly bodyBytes: number;
  readonly waitMsMax: number;
  /** Longest wait where a breaker holds everybody back who could serve it. */
  readonly heldBackWaitMsMax: number;
  readonly signal: AbortSignal;
}

/** A place at a replica, on the tenant's account. */
export interface Seat {
  readonly endpoint: string;
  /** What it was chosen from, for receipts; undefined where that was not kept. */
  readonly consider: (() => readonly Candidate[]) | undefined;
  /** Gives the place back and charges what was served; later calls do nothing. */
  release(serviceTokens: number): void;
}

/** Gives requests a place at a replica, at once or in their turn. */
export interface Placement {
  /**
   * Resolves with a seat, or with undefined when all replicas that could serve it are excluded.
   * Rejects when nobody serves the model, nobody is healthy, the queue is full, or the wait is
   * over.
   */
  place(request: PlaceRequest): Promise<Seat | undefined>;
  /** Lets everybody who waits look again: a limit may have opened. */
  wake(): void;
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Refuses everybody who waits and everybody who comes from now on, with this error. */
  close(error: WarmpathError): void;
}

interface Waiter {
  readonly request: PlaceRequest;
  readonly settle: (outcome: Outcome) => void;
}

type Outcome = { readonly seat: Seat | undefined } | { readonly error: unknown };

/**
 * Joins the bounded queue with the pool; whenever a place comes free or the pool changes, the next
 * one starts.
 */
export function createPlacement(options: {
  readonly pool: Pool;
  readonly bookings: Bookings;
  readonly limits: WaitLimits;
  readonly retryAfterMs: number;
  readonly watchdog: Watchdog;
}): Placement {
  const { pool, bookings, watchdog } = options;
  const queue = createWaitQueue<Waiter>(options.limits);

  /** Settles the waiter if it can be; false keeps it waiting. */
  const start = ({ request, settle }: Waiter): boolean => {
    const outcome = tryPlace(request);
    if (outcome === undefined) {
      return false;
    }
    settle(outcome);
    return true;
  };
  const pump = () => queue.pump(start);
  let closedBy: WarmpathError | undefined;
  pool.onChange(pump);

  /** Undefined means: wait. Who has waited already also sits out an outage; a newcomer is told. */
  const tryPlace = (request: PlaceRequest): Outcome | undefined => {
    const picked = bookings.pickAndBook(pool.endpoints, request);
    if ("booking" in picked) {
      request.gate?.book(picked.booking.endpoint);
      const { model: group, lane, tenant, serviceTokensExpected } = request;
      const service = queue.serve({ group, lane, tenant }, serviceTokensExpected);
      return { seat: createSeat(picked, service, pump) };
    }
    switch (picked.reason) {
      case "unknown-model":
        return { error: unknownModel(request.model) };
      case "excluded":
        return { seat: undefined };
      default:
        return undefined;
    }
  };

  const wait = (request: PlaceRequest, waitMsMax: number): Promise<Seat | undefined> =>
    new Promise((resolve, reject) => {
      const leave = (error: unknown) => {
        place?.leave();
        settle({ error });
      };
      const onAbort = () => leave(request.signal.reason);
      const settle = (outcome: Outcome) => {
        watch.stop();
        request.signal.removeEventListener("abort", onAbort);
        if ("error" in outcome) {
          reject(outcome.error);
        } else {
          resolve(outcome.seat);
        }
      };
      const watch = watchdog.watch(waitMsMax, () =>
        leave(waitedTooLong(waitMsMax, options.retryAfterMs)),
      );
      const { lane, model, tenant, bodyBytes } = request;
      const item: Waiter = { request, settle };
      const place = queue.join({ lane, group: model, tenant, bytes: bodyBytes, item });
      if (place === undefined) {
        settle({ error: queueFull(options.retryAfterMs) });
        return;
      }
      request.signal.addEventListener("abort", onAbort);
    });

  return {
    place: async (request) => {
      request.signal.throwIfAborted();
      if (closedBy !== undefined) {
        throw closedBy;
      }
      const isRetry = request.excluded.size > 0;
      // A newcomer never overtakes those who wait; a retry had its turn already.
      if (isRetry || !queue.hasWaiting(request.model)) {
        const outcome = tryPlace(request);
        if (outcome !== undefined) {
          return seatOf(outcome);
        }
      }
      const { reason } = pickEndpoint(pool.endpoints, bookings, request, 0);
      if (reason === "unhealthy" || reason === "draining") {
        throw noReplica(request.model, options.retryAfterMs);
      }
      return await wait(request, longestWaitMs(pool, request, reason));
    },
    wake: pump,
    get waiting() {
      return queue.length;
    },
    get waitingBytes() {
      return queue.bytes;
    },
    close: (error) => {
      closedBy = error;
      for (const { settle } of queue.clear()) {
        settle({ error });
      }
    },
  };
}

/**
 * How long the request may wait; throws where it could not be served within that, so that it need
 * not wait at all.
 */
function longestWaitMs(
  { endpoints }: Pool,
  { model, gate, waitMsMax, heldBackWaitMsMax }: PlaceRequest,
  reason: NoEndpoint | undefined,
): number {
  if (reason !== "closed") {
    return reason === "held-back" ? Math.min(waitMsMax, heldBackWaitMsMax) : waitMsMax;
  }
  let soonestMs = Number.POSITIVE_INFINITY;
  for (const { name, models } of endpoints) {
    if (models.has(model)) {
      soonestMs = Math.min(soonestMs, gate?.waitMs(name) ?? 0);
    }
  }
  if (soonestMs > waitMsMax) {
    const message = `The limits of every upstream that serves the model \`${model}\` are used up.`;
    throw new WarmpathError("rejected-over-limit", message, { retryAfterMs: soonestMs });
  }
  return waitMsMax;
}

function seatOf(outcome: Outcome): Seat | undefined {
  if ("error" in outcome) {
    throw outcome.error;
  }
  return outcome.seat;
}

/** A booking whose release charges the tenant and lets the next one in. */
function createSeat({ booking, consider }: Booked, service: Service, pump: () => void): Seat {
  return {
    endpoint: booking.endpoint,
    consider,
    release: (serviceTokens) => {
      booking.release();
      service.settle(serviceTokens);
      pump();
    },
  };
}

function unknownModel(model: string): WarmpathError {
  return new WarmpathError("rejected-no-model", `The model \`${model}\` does not exist.`);
}

function noReplica(model: string, retryAfterMs: number): WarmpathError {
  const message =
    model === ""
      ? "No upstream is healthy now."
      : `No upstream that serves the model \`${model}\` is healthy now.`;
  return new WarmpathError("rejected-no-replica", message, { retryAfterMs });
}

function queueFull(retryAfterMs: number): WarmpathError {
  return new WarmpathError(
    "rejected-queue-full",
    "All replicas are busy and the queue before them is full.",
    { retryAfterMs },
  );
}

function waitedTooLong(waitMsMax: number, retryAfterMs: number): WarmpathError {
  return new WarmpathError(
    "rejected-queue-full",
    `All replicas were busy for the ${waitMsMax} ms that this request may wait.`,
    { retryAfterMs },
  );
}
