/**
 * One replica's room, kept for the session that goes first and is too large for now, while smaller
 * ones behind it fill the others: if all had to wait for it, every replica would stay emptier than
 * it may be by about what the largest needs (a tenth of the rate at twice the capacity, in the
 * policy lab); if nothing were kept, small ones would pass it for ever.
 */
export class KeptRoom {
  #replica = -1;
  #sessionId = "";
  #nearest = -1;
  #leastMissing = Number.POSITIVE_INFINITY;

  /** From now on it is about another turn. */
  turnTo(): void {
    this.#nearest = -1;
    this.#leastMissing = Number.POSITIVE_INFINITY;
  }

  /** The turn finds no room at the replica, for so many tokens. */
  isMissing(replica: number, tokens: number): void {
    if (tokens < this.#leastMissing) {
      this.#leastMissing = tokens;
      this.#nearest = replica;
    }
  }

  /** Keeps the replica that misses least for the turn, if none is kept for one before it. */
  keepFor(sessionId: string): void {
    if (this.#replica < 0) {
      this.#replica = this.#nearest;
      this.#sessionId = sessionId;
    }
  }

  isKeptFrom(sessionId: string, replica: number): boolean {
    return replica === this.#replica && sessionId !== this.#sessionId;
  }

  newRound(): void {
    this.#replica = -1;
  }
}
