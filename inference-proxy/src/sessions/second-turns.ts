/** Weight of the belief, before anything was seen, that every session comes back; in sessions. */
const priorSessions = 4;
/** So many of the latest sessions decide. */
const sessionsMax = 256;

/**
 * Above the one share every session is counted on, since room that is missing later costs more than
 * room that was kept; below the other none is.
 */
const certainShare = 0.5;
const unlikelyShare = 0.1;

/**
 * How many of the sessions that begin come back at all. One is admitted with room for what it will
 * find again; where hardly any comes back there is nothing to keep room for, and the engine's own
 * queue knows better what runs beside what.
 */
export class SecondTurns {
  #begun = priorSessions;
  #cameBack = priorSessions;

  /** A session came back for the first time, or was given up after its first turn. */
  saw(cameBack: boolean): void {
    const kept = this.#begun < sessionsMax ? 1 : 1 - 1 / sessionsMax;
    this.#begun = this.#begun * kept + 1;
    this.#cameBack = this.#cameBack * kept + (cameBack ? 1 : 0);
  }

  /** One that had been given up has come back after all. */
  sawAfterAll(): void {
    this.#cameBack = Math.min(this.#begun, this.#cameBack + 1);
  }

  /** What a session's need is to be weighed with before it has come back: from 0 to 1. */
  get weight(): number {
    const above = this.#cameBack / this.#begun - unlikelyShare;
    return Math.max(0, Math.min(1, above / (certainShare - unlikelyShare)));
  }
}
