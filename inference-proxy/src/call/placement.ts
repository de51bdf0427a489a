import { type Clock, WarmpathError } from "@warmpath/runtime/base";
import {
  createWaitQueue,
  type Lane,
  type Service,
  type WaitLimits,
  type WaitQueue,
} from "../admit/index.ts";
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
import { createQueueForecast, type QueueForecast } from "./queue-forecast.ts";
import { type QueuePlace, queueFull, type WaitingLine, waitedTooLong } from "./queue-view.ts";

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
  /** Where it stood in the queue when it joined; undefined for one that did not wait. */
  readonly queued: QueuePlace | undefined;
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
  /** Who waits for what now, and for how long about. */
  lines(): readonly WaitingLine[];
  /** Refuses everybody who waits and everybody who comes from now on, with this error. */
  close(error: WarmpathError): void;
}

interface Waiter {
  readonly request: PlaceRequest;
  /** Where it stood when it joined. */
  readonly queued: QueuePlace;
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
  readonly clock: Clock;
}): Placement {
  const { pool, bookings, clock } = options;
  const queue = createWaitQueue<Waiter>(options.limits);
  const forecast = createQueueForecast(queue, clock);

  /** Settles the waiter if it can be; false keeps it waiting. */
  const start = ({ request, queued, settle }: Waiter): boolean => {
    const outcome = tryPlace(request, queued);
    if (outcome === undefined) {
      return false;
    }
    settle(outcome);
    return true;
  };
  const pump = () => queue.pump(start);
  const onFree = (group: string): void => {
    forecast.freed(group);
    pump();
  };
  let closedBy: WarmpathError | undefined;
  pool.onChange(pump);

  /** Undefined means: wait. Who has waited already also sits out an outage; a newcomer is told. */
  const tryPlace = (request: PlaceRequest, queued?: QueuePlace): Outcome | undefined => {
    const picked = bookings.pickAndBook(pool.endpoints, request);
    if ("booking" in picked) {
      request.gate?.book(picked.booking.endpoint);
      const { model: group, lane, tenant, serviceTokensExpected } = request;
      const service = queue.serve({ group, lane, tenant }, serviceTokensExpected);
      return { seat: createSeat(picked, service, { queued, onFree: () => onFree(group) }) };
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
      const boundMs = longestWaitMs(pool, request, reason);
      return await waitInQueue({ ...options, queue, forecast }, request, boundMs);
    },
    wake: pump,
    get waiting() {
      return queue.length;
    },
    get waitingBytes() {
      return queue.bytes;
    },
    lines: forecast.lines,
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

/** Waits for a seat: resolves when somebody starts the waiter, rejects when it leaves. */
function waitInQueue(
  means: {
    readonly queue: WaitQueue<Waiter>;
    readonly forecast: QueueForecast;
    readonly watchdog: Watchdog;
    readonly retryAfterMs: number;
  },
  request: PlaceRequest,
  waitMsMax: number,
): Promise<Seat | undefined> {
  const { queue, forecast, watchdog, retryAfterMs } = means;
  const { lane, model, tenant, bodyBytes } = request;
  const queued = forecast.placeFor({ lane, group: model, tenant });
  return new Promise((resolve, reject) => {
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
      leave(waitedTooLong(queued, waitMsMax, retryAfterMs)),
    );
    const item: Waiter = { request, queued, settle };
    const place = queue.join({ lane, group: model, tenant, bytes: bodyBytes, item });
    if (place === undefined) {
      settle({ error: queueFull(queued, retryAfterMs) });
      return;
    }
    request.signal.addEventListener("abort", onAbort);
  });
}

function seatOf(outcome: Outcome): Seat | undefined {
  if ("error" in outcome) {
    throw outcome.error;
  }
  return outcome.seat;
}

/** A booking whose release charges the tenant and lets the next one in. */
function createSeat(
  { booking, consider }: Booked,
  service: Service,
  { queued, onFree }: { readonly queued: QueuePlace | undefined; readonly onFree: () => void },
): Seat {
  return {
    endpoint: booking.endpoint,
    consider,
    queued,
    release: (serviceTokens) => {
      booking.release();
      service.settle(serviceTokens);
      onFree();
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
