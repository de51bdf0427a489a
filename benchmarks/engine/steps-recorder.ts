import type { FormedBatch } from "./scheduler.ts";
import type { EngineObserver, StepsRecord } from "./types.ts";

/** Joins steps that follow each other with equal batches into one record. */
export class StepsRecorder {
  readonly #observer: EngineObserver;
  #startMs = 0;
  #endMs = 0;
  #steps = 0;
  #decodeSequences = 0;
  #prefillTokens = 0;

  constructor(observer: EngineObserver) {
    this.#observer = observer;
  }

  record(startMs: number, endMs: number, batch: FormedBatch): void {
    const isAlike =
      startMs === this.#endMs &&
      batch.decodeSequences === this.#decodeSequences &&
      batch.prefillTokens === 0 &&
      this.#prefillTokens === 0;
    if (!isAlike || this.#steps === 0) {
      this.flush();
      this.#startMs = startMs;
      this.#decodeSequences = batch.decodeSequences;
      this.#prefillTokens = batch.prefillTokens;
    }
    this.#steps += 1;
    this.#endMs = endMs;
  }

  /** Tells what was joined so far. */
  flush(): void {
    if (this.#steps === 0) return;
    const record: StepsRecord = {
      startMs: this.#startMs,
      endMs: this.#endMs,
      steps: this.#steps,
      decodeSequences: this.#decodeSequences,
      prefillTokens: this.#prefillTokens,
    };
    this.#steps = 0;
    this.#observer.onSteps?.(record);
  }
}
