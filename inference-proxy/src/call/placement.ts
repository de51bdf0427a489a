import { type CancelSignal, type Clock, WarmpathError } from "@warmpath/runtime/base";
import {
  createPrograms,
  createWaitQueue,
  type Lane,
  rankOf,
  type Started,
  type WaitLimits,
  type WaitQueue,
} from "../admit/index.ts";
import {
  type BookingEnd,
  type Candidate,
  type Endpoint,
  furthestRefusal,
  type NoEndpoint,
  type Placer,
  type Placing,
  type RequestSummary,
} from "../pick/index.ts";
import { failedRest } from "../sessions/index.ts";
import type { Pool } from "../upstream/pool.ts";
import type { Watchdog } from "../upstream/watchdog.ts";
import { BookedSeat } from "./booked-seat.ts";
import { createQueueForecast, type QueueForecast } from "./queue-forecast.ts";
import { type QueuePlace, queueFull, type WaitingLine, waitedTooLong } from "./queue-view.ts";

/** What placement needs of a request beyond what the policy sees. */
export interface PlaceRequest extends RequestSummary {
  readonly lane: Lane;
  readonly tenant: string;
  /** The job that it belongs to; empty: none. */
  readonly program: string;
  /** What its tenant is charged while it is served; see `serviceTokens`. */
  readonly serviceTokensExpected: number;
  readonly bodyBytes: number;
  readonly waitMsMax: number;
  /** Longest wait where a breaker holds everybody back who could serve it. */
  readonly heldBackWaitMsMax: number;
  readonly signal: CancelSignal;
}

/** A place at a replica, on the tenant's account. */
export interface Seat {
  readonly endpoint: string;
  /** The best that it was chosen from, for receipts. */
  readonly consider: () => readonly Candidate[];
  /** Tokens of the prompt that were believed to be cached there. */
  readonly cachedTokensExpected: number;
  /** Where it stood in the queue when it joined; undefined for one that did not wait. */
  readonly queued: QueuePlace | undefined;
  /** The first event came. */
  firstEvent(): void;
  /** Gives the place back and charges what was served; later calls do nothing. */
  release(end: SeatEnd): void;
}

/** How a seat's request ended. */
export interface SeatEnd extends BookingEnd {
  readonly serviceTokens: number;
}

/** Of a request that was served nothing. */
export const unserved: SeatEnd = { serviceTokens: 0, rest: failedRest };

/** Gives requests a place at a replica, at once or in their turn. */
export interface Placement {
  /**
   * A seat, at once where one is free; undefined when all replicas that could serve it are
   * excluded. Throws or rejects when nobody serves the model, nobody is healthy, the queue is full,
   * or the wait is over.
   */
  place(request: PlaceRequest): Seat | undefined | Promise<Seat | undefined>;
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

/** It has to wait; "no-room": as its session is too large for now, and smaller ones might go. */
type Wait = "no-room" | undefined;

type Outcome = { readonly seat: Seat | undefined } | { readonly error: unknown };

/**
 * How often the waiting look again though nothing ended: sessions that rest count less with time.
 */
const lookAgainMs = 100;

/**
 * Joins the bounded queue with the pool; whenever a place comes free or the pool changes, the next
 * one starts.
 */
export function createPlacement(options: {
  readonly pool: Pool;
  readonly placer: Placer;
  /** The placer, with whatever else a place has to be taken of. */
  readonly placing: Placing;
  readonly limits: WaitLimits & Parameters<typeof createPrograms>[0];
  readonly retryAfterMs: number;
  readonly watchdog: Watchdog;
  readonly clock: Clock;
}): Placement {
  const { pool, placer, placing, clock } = options;
  const queue = createWaitQueue<Waiter>(options.limits, ({ queued, settle }) =>
    settle({ error: queueFull(queued, options.retryAfterMs) }),
  );
  const forecast = createQueueForecast(queue, clock);
  const programs = createPrograms(options.limits);

  /** Settles the waiter if it can be; else it waits on, and others go first who can. */
  const start = ({ request, queued, settle }: Waiter): Started => {
    const outcome = tryPlace(request, queued);
    if (typeof outcome === "object") {
      settle(outcome);
      return true;
    }
    return outcome ?? (isKeptAlone(pool, request) ? "passed" : false);
  };
  const pump = () => {
    placer.gate.newRound();
    queue.pump(start);
  };
  const onFree = (group: string): void => {
    forecast.freed(group);
    pump();
  };
  let closedBy: WarmpathError | undefined;
  onNews(pool, placer, options.watchdog, pump);

  /** Who has waited already also sits out an outage; a newcomer is told. */
  const tryPlace = (request: PlaceRequest, queued?: QueuePlace): Outcome | Wait => {
    const placed = placing.place(pool.endpoints, request, clock.monotonicMs());
    if (!("booking" in placed)) {
      return placed.reason === "too-long"
        ? { error: tooLong(request, placer.contextTokens(request.model)) }
        : outcomeOf(placed.reason, request.model);
    }
    request.gate?.book(placed.booking.endpoint);
    const { model: group, lane, tenant, program, serviceTokensExpected } = request;
    const service = queue.serve({ group, lane, tenant }, serviceTokensExpected);
    const onEnd = (tokens: number) => {
      programs.served(tenant, program, tokens, clock.monotonicMs());
      onFree(group);
    };
    return { seat: new BookedSeat(placed, service, { queued, clock, onEnd }) };
  };

  /**
   * Programs take turns for places. Where it is room in a cache that is short, sessions under way
   * are to go on, whatever they had.
   */
  const rankFor = (request: PlaceRequest, reason: NoEndpoint | undefined): number => {
    const nowMs = clock.monotonicMs();
    const rank = rankOf(nowMs, placer.uncachedTokens(request.prompt));
    return reason === undefined
      ? rank
      : rank + programs.delayMs(request.tenant, request.program, nowMs);
  };

  /**
   * A newcomer never overtakes those who wait; a retry had its turn already, and an admitted
   * session its place.
   */
  const mayGoFirst = ({ excluded, model, prompt }: PlaceRequest): boolean =>
    excluded.size > 0 || !queue.hasWaiting(model) || placer.isAdmitted(prompt);

  return {
    place: (request) => {
      request.signal.throwIfAborted();
      if (closedBy !== undefined) {
        throw closedBy;
      }
      if (mayGoFirst(request)) {
        placer.gate.newRound();
        const outcome = tryPlace(request);
        if (typeof outcome === "object") {
          if (queue.hasWaiting(request.model)) {
            forecast.overtook(request.model);
          }
          return seatOf(outcome);
        }
      }
      const inFlight = (endpoint: string) => placer.inFlight(endpoint);
      const reason = furthestRefusal(pool.endpoints, inFlight, request);
      if (reason === "unhealthy" || reason === "draining") {
        throw noReplica(request.model, options.retryAfterMs);
      }
      const waitMsMax = longestWaitMs(pool, request, reason);
      const rank = rankFor(request, reason);
      return waitInQueue({ ...options, queue, forecast }, request, { rank, waitMsMax });
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

/** True when limits of its own are what keeps it waiting: nobody has to wait for those with it. */
function isKeptAlone({ endpoints }: Pool, { model, gate }: PlaceRequest): boolean {
  return (
    gate !== undefined &&
    endpoints.some(({ name, models }) => models.has(model) && gate.isKeptAlone(name))
  );
}

/**
 * How long the request may wait; throws where it could not be served within that, so that it need
 * not wait at all.
 */
function longestWaitMs(
  { endpoints }: Pool,
  { model, excluded, gate, waitMsMax, heldBackWaitMsMax }: PlaceRequest,
  reason: NoEndpoint | undefined,
): number {
  if (reason !== "closed") {
    return reason === "held-back" ? Math.min(waitMsMax, heldBackWaitMsMax) : waitMsMax;
  }
  let soonestMs = Number.POSITIVE_INFINITY;
  for (const { name, models, healthy, isDraining } of endpoints) {
    // What is out, emptied or was tried opens to nobody, whatever its limits say.
    if (models.has(model) && healthy && isDraining !== true && !excluded.has(name)) {
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
  { rank, waitMsMax }: { readonly rank: number; readonly waitMsMax: number },
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
    const place = queue.join({ lane, group: model, tenant, rank, bytes: bodyBytes, item });
    if (place === undefined) {
      settle({ error: queueFull(queued, retryAfterMs) });
      return;
    }
    request.signal.addEventListener("abort", onAbort);
  });
}

function outcomeOf(reason: NoEndpoint, model: string): Outcome | Wait {
  switch (reason) {
    case "no-room":
      return reason;
    case "unknown-model":
      return { error: unknownModel(model) };
    case "excluded":
      return { seat: undefined };
    default:
      return undefined;
  }
}

function seatOf(outcome: Outcome): Seat | undefined {
  if ("error" in outcome) {
    throw outcome.error;
  }
  return outcome.seat;
}

/** Lets those who wait look again when something may have changed. */
function onNews(pool: Pool, placer: Placer, watchdog: Watchdog, pump: () => void): void {
  let before: readonly Endpoint[] = pool.endpoints;
  pool.onChange(() => {
    const { endpoints } = pool;
    placer.look(endpoints);
    for (let replica = 0; replica < endpoints.length; replica += 1) {
      if (!endpoints[replica]!.healthy && before[replica]?.healthy === true) {
        // Nobody knows what it will hold when it is back.
        placer.lose(replica);
      }
    }
    before = endpoints;
    pump();
  });
  watchdog.watch(lookAgainMs, () => {
    pump();
    return lookAgainMs;
  });
}

function unknownModel(model: string): WarmpathError {
  return new WarmpathError("rejected-no-model", `The model \`${model}\` does not exist.`);
}

/** Only ever of prompts whose tokens are counted: of others the engine is the judge. */
function tooLong({ model, prompt }: RequestSummary, contextTokens: number): WarmpathError {
  const message =
    `The prompt has ${prompt.promptTokens} tokens. The longest context in which the model ` +
    `\`${model}\` is served has ${contextTokens}.`;
  return new WarmpathError("rejected-invalid", message);
}

function noReplica(model: string, retryAfterMs: number): WarmpathError {
  const message =
    model === ""
      ? "No upstream is healthy now."
      : `No upstream that serves the model \`${model}\` is healthy now.`;
  return new WarmpathError("rejected-no-replica", message, { retryAfterMs });
}
