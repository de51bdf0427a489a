import { WarmpathError } from "@warmpath/runtime/base";

/** Where in the line a request stood when it joined, and how long that was to take. */
export interface QueuePlace {
  /** 1 is the next to start. */
  readonly position: number;
  /** In ms; undefined while no place has come free yet. */
  readonly estimateMs: number | undefined;
}

/** A line that requests wait in now. */
export interface WaitingLine {
  readonly model: string;
  readonly lane: "interactive" | "standard" | "batch";
  readonly waiting: number;
  /** Places of the model that came free for who waits, per second lately. */
  readonly placesPerSecond: number;
  /** What somebody who joins now would wait, in ms. */
  readonly estimateMs: number | undefined;
}

/** Response headers that tell a caller of its place; on an answer, how it was when it joined. */
export const queuePositionHeader = "x-warmpath-queue-position";
export const queueEstimateHeader = "x-warmpath-queue-estimate-ms";

/** The place as response headers; empty for a request that did not wait. */
export function queueHeaders(place: QueuePlace | undefined): Readonly<Record<string, string>> {
  if (place === undefined) {
    return noHeaders;
  }
  const { position, estimateMs } = place;
  return {
    [queuePositionHeader]: String(position),
    ...(estimateMs === undefined ? {} : { [queueEstimateHeader]: String(Math.round(estimateMs)) }),
  };
}

const noHeaders = {};

/** What an edge adds to the error of a request that waited, or could not even do that. */
export class LeftQueue {
  readonly headers: Readonly<Record<string, string>>;

  constructor(place: QueuePlace) {
    this.headers = queueHeaders(place);
  }
}

/** Nobody is told to wait longer before a retry than this: the estimate is of now. */
const retryAfterMsMax = 60_000;

/** The error of a request that the queue has no room for; its cause is a {@link LeftQueue}. */
export function queueFull(place: QueuePlace, retryAfterMsMin: number): WarmpathError {
  return new WarmpathError(
    "rejected-queue-full",
    "All replicas are busy and the queue before them is full.",
    { retryAfterMs: retryAfterMs(place, retryAfterMsMin), cause: new LeftQueue(place) },
  );
}

/** The error of a request that has waited for as long as it may; its cause as above. */
export function waitedTooLong(
  place: QueuePlace,
  waitMsMax: number,
  retryAfterMsMin: number,
): WarmpathError {
  return new WarmpathError(
    "rejected-queue-full",
    `All replicas were busy for the ${waitMsMax} ms that this request may wait.`,
    { retryAfterMs: retryAfterMs(place, retryAfterMsMin), cause: new LeftQueue(place) },
  );
}

function retryAfterMs({ estimateMs = 0 }: QueuePlace, leastMs: number): number {
  return Math.min(retryAfterMsMax, Math.max(leastMs, Math.round(estimateMs)));
}
