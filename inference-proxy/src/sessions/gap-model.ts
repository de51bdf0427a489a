/** Latest rests of one kind. */
interface Rests {
  /** How long those lasted that ended with a return, in ms; a ring. */
  readonly gapsMs: number[];
  next: number;
  /** Rests given up without a return; an old one counts less with each new rest. */
  gone: number;
}

/** Enough to tell a tool that answers at once from one that takes its time. */
const samplesMax = 128;
/** Weight of what is believed before anything was seen, in rests. */
const priorRests = 8;
/** So long a rest is believed to go on before anything was seen. */
const priorGapMs = 10_000;
/** Names of tools come from callers: kinds beyond this share one model. */
const kindsMax = 256;
const otherKind = "";

/**
 * How long sessions rest between two turns, and whether they return at all, learned for each kind
 * of rest: each tool by its name, and the rest after a final answer.
 */
export class GapModel {
  readonly #kinds = new Map<string, Rests>();

  /** A session came back; `wasGone` when it had been given up. */
  returned(kind: string, gapMs: number, wasGone: boolean): void {
    const rests = this.#restsOf(kind);
    rests.gone = Math.max(0, rests.gone * (1 - 1 / samplesMax) - (wasGone ? 1 : 0));
    rests.gapsMs[rests.next] = gapMs;
    rests.next = (rests.next + 1) % samplesMax;
  }

  /** A session was given up. */
  gone(kind: string): void {
    const rests = this.#restsOf(kind);
    rests.gone = rests.gone * (1 - 1 / samplesMax) + 1;
  }

  /**
   * The chance that a rest which has lasted `idleMs` ends within the next `horizonMs`, from 0 to 1.
   * `priorChance` of an untold kind fades with the first eight rests seen.
   */
  returnChance(kind: string, idleMs: number, horizonMs: number, priorChance: number): number {
    const { gapsMs, gone } = this.#restsOf(kind);
    let soon = 0;
    let longer = 0;
    for (const gapMs of gapsMs) {
      if (gapMs <= idleMs) {
        continue;
      }
      longer += 1;
      soon += gapMs <= idleMs + horizonMs ? 1 : 0;
    }
    const prior = Math.max(0, priorRests - gapsMs.length - gone);
    const priorSoon = idleMs < priorGapMs ? prior * priorChance : 0;
    return (soon + priorSoon) / Math.max(1, longer + gone + prior);
  }

  #restsOf(kind: string): Rests {
    const name = this.#kinds.has(kind) || this.#kinds.size < kindsMax ? kind : otherKind;
    let rests = this.#kinds.get(name);
    if (rests === undefined) {
      rests = { gapsMs: [], next: 0, gone: 0 };
      this.#kinds.set(name, rests);
    }
    return rests;
  }
}
