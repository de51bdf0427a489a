import { WarmpathError } from "../base/index.ts";

/** Bytes of request bodies that are on their way, over all connections of a process. */
export interface BodyBudget {
  /** Takes bytes that are in hand, or gives them back where negative. */
  add(bytes: number): void;
  /** True while more is held than may be: whoever brings more is refused. */
  readonly isSpent: boolean;
  readonly heldBytes: number;
}

/**
 * One bound for all: each connection has its own, but thousands that send slowly hold thousands of
 * these. Counted is what has come, not what was announced, which costs its sender nothing.
 */
export function createBodyBudget(bytesMax: number): BodyBudget {
  let heldBytes = 0;
  return {
    add: (bytes) => {
      heldBytes += bytes;
    },
    get isSpent() {
      return heldBytes > bytesMax;
    },
    get heldBytes() {
      return heldBytes;
    },
  };
}

/** Bodies come in within a second or two, or their senders are given up after a minute. */
const retryAfterMs = 1000;

/** The error of a body for which there is no room now. */
export function noRoomForBody(): WarmpathError {
  const message = "too many requests are being received now";
  return new WarmpathError("rejected-queue-full", message, { retryAfterMs });
}
