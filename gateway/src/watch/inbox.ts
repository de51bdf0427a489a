import type { TextDelta } from "@warmpath/proto/common";
import type { Clock } from "@warmpath/runtime/base";

/** What a task's feed tells each of its watchers. Must not block: it is called from the bus. */
export interface Sink {
  onDelta(delta: TextDelta): void;
  /** Events up to this one are in the log. */
  onRecorded(seq: bigint): void;
  /** The feed cannot go on; the watcher is to fail with this. */
  onFailure(error: Error): void;
}

/**
 * What waits for one watcher that is busy or slow. Bounded: when it is full the pieces are dropped
 * and the watcher reads the log and the hot copy instead, which costs it a call and loses nothing.
 */
export class Inbox implements Sink {
  readonly #limits: { readonly deltasMax: number; readonly bytesMax: number };
  readonly #clock: Clock;
  #deltas: TextDelta[] = [];
  #bytes = 0;
  #recordedSeq = 0n;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #hasDropped = false;
  /** Whether anything arrived since the watcher last looked. */
  #hasNews = false;

  constructor(limits: { deltasMax: number; bytesMax: number }, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Highest sequence number that was announced. */
  get recordedSeq(): bigint {
    return this.#recordedSeq;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  onDelta(delta: TextDelta): void {
    this.#keep(delta);
    this.#notify();
  }

  onRecorded(seq: bigint): void {
    if (seq > this.#recordedSeq) {
      this.#recordedSeq = seq;
      this.#notify();
    }
  }

  onFailure(error: Error): void {
    this.#failure = error;
    this.#notify();
  }

  /**
   * Called before looking, so that what arrives while the watcher looks cuts its next wait short.
   */
  clearNews(): void {
    this.#hasNews = false;
  }

  /** The pieces that wait, oldest first; they are the caller's now. */
  takeDeltas(): TextDelta[] {
    const deltas = this.#deltas;
    this.#deltas = [];
    this.#bytes = 0;
    return deltas;
  }

  /** Puts pieces back in front of those that came since; they count against the bounds again. */
  putBack(deltas: readonly TextDelta[]): void {
    const newer = this.takeDeltas();
    for (const delta of [...deltas, ...newer]) {
      this.#keep(delta);
    }
  }

  /** True once after pieces were dropped. */
  takeDropped(): boolean {
    const hasDropped = this.#hasDropped;
    this.#hasDropped = false;
    return hasDropped;
  }

  /**
   * Resolves when something arrives (or has, unseen), or after `ms`; rejects when the signal
   * aborts.
   */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#hasNews) {
      return;
    }
    const waiting = new AbortController();
    const stop = () => waiting.abort();
    this.#wake = stop;
    signal.addEventListener("abort", stop, { once: true });
    try {
      await this.#clock.sleep(ms, waiting.signal);
    } catch (thrown) {
      // Woken by an arrival is what a wait is for; anything else is the clock's own failure.
      if (!waiting.signal.aborted) {
        throw thrown;
      }
    } finally {
      this.#wake = undefined;
      signal.removeEventListener("abort", stop);
    }
    signal.throwIfAborted();
  }

  #keep(delta: TextDelta): void {
    // An upper bound that needs no encoding: a UTF-16 unit is at most three bytes of UTF-8.
    const bytes = delta.text.length * 3;
    const isFull =
      this.#deltas.length >= this.#limits.deltasMax || this.#bytes + bytes > this.#limits.bytesMax;
    if (isFull) {
      this.#deltas = [];
      this.#bytes = 0;
      this.#hasDropped = true;
    } else {
      this.#deltas.push(delta);
      this.#bytes += bytes;
    }
  }

  #notify(): void {
    this.#hasNews = true;
    this.#wake?.();
  }
}
