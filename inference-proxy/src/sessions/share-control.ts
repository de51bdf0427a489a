import type { ShareOptions } from "./types.ts";

/**
 * The share of a replica's KV cache that admitted sessions may fill. A fixed share is a knife edge
 * (5 % too high and sessions evict each other, 25 % too low and a sixth of the rate is lost), and
 * nobody knows it beforehand: answers need room too, engines keep more than sessions, capacities
 * are mis-stated. So it follows what is observed: tokens that a session should have found where it
 * left them, and did not. Shrinks fast, grows slowly and only while someone waits.
 */
export class ShareControl {
  readonly #options: ShareOptions;
  readonly #shares: Float64Array;
  readonly #expectedTokens: Float64Array;
  readonly #missedTokens: Float64Array;
  #windowEndMs = Number.NEGATIVE_INFINITY;

  constructor(replicas: number, options: ShareOptions) {
    this.#options = options;
    this.#shares = new Float64Array(replicas).fill(options.start);
    this.#expectedTokens = new Float64Array(replicas);
    this.#missedTokens = new Float64Array(replicas);
  }

  of(replica: number): number {
    return this.#shares[replica]!;
  }

  /** A turn that went home should have found `expectedTokens` there, and found `cachedTokens`. */
  observe(replica: number, expectedTokens: number, cachedTokens: number): void {
    this.#expectedTokens[replica]! += expectedTokens;
    this.#missedTokens[replica]! += Math.max(0, expectedTokens - cachedTokens);
  }

  /** Moves the shares if their time has come. */
  tick(nowMs: number, someoneWaits: boolean): void {
    const { windowMs, expectedTokensMin, missHigh, missLow } = this.#options;
    if (nowMs < this.#windowEndMs) {
      return;
    }
    this.#windowEndMs = nowMs + windowMs;
    const { shrink, grow, least, most } = this.#options;
    for (let replica = 0; replica < this.#shares.length; replica += 1) {
      const expected = this.#expectedTokens[replica]!;
      if (expected < expectedTokensMin) {
        continue;
      }
      const missed = this.#missedTokens[replica]! / expected;
      const share = this.#shares[replica]!;
      if (missed > missHigh) {
        this.#shares[replica] = Math.max(least, share * shrink);
      } else if (missed < missLow && someoneWaits) {
        this.#shares[replica] = Math.min(most, share * grow);
      }
      this.#expectedTokens[replica] = 0;
      this.#missedTokens[replica] = 0;
    }
  }

  /** The replica's cache was lost: what is missed now says nothing about the share. */
  forget(replica: number): void {
    this.#expectedTokens[replica] = 0;
    this.#missedTokens[replica] = 0;
  }
}
