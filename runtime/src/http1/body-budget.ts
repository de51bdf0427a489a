import { WarmpathError } from "../base/index.ts";

/** Bytes of request bodies that are on their way, over all connections of a process. */
export interface BodyBudget {
  /**
   * Takes bytes that are in hand, or gives them back where negative. `owner`: whose they are, such
   * as a tenant's name; empty while nobody knows.
   */
  add(bytes: number, owner: string): void;
  /** True while more is held than may be, by all or by this owner: who brings more is refused. */
  isSpentFor(owner: string): boolean;
  readonly heldBytes: number;
}

/** Of the bound, what one owner may hold: bodies that drip in must not keep out all others. */
const ownerShare = 0.5;

/**
 * One bound for all: each connection has its own, but thousands that send slowly hold thousands of
 * these. Counted is what has come, not what was announced, which costs its sender nothing.
 */
export function createBodyBudget(bytesMax: number): BodyBudget {
  let heldBytes = 0;
  const owned = new Map<string, number>();
  return {
    add: (bytes, owner) => {
      heldBytes += bytes;
      if (owner !== "" && bytes !== 0) {
        const ownedBytes = (owned.get(owner) ?? 0) + bytes;
        if (ownedBytes === 0) {
          owned.delete(owner);
        } else {
          owned.set(owner, ownedBytes);
        }
      }
    },
    isSpentFor: (owner) => heldBytes > bytesMax || (owned.get(owner) ?? 0) > bytesMax * ownerShare,
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
