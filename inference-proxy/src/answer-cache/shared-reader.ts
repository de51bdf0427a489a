import { type CancelSignal, errorOfAbort } from "@warmpath/runtime/base";
import type { AnswerSink } from "../call/answer-stream.ts";
import type { SharedAnswer } from "./shared-answer.ts";

/** One reader of a shared stream: is told of its events, or asks for them. */
export class SharedReader {
  readonly #answer: SharedAnswer;
  readonly #signal: CancelSignal;
  readonly #filter: ((block: Uint8Array) => Uint8Array) | undefined;
  #position = 0;
  #sink: AnswerSink | undefined;
  #isPaused = false;
  #isStopped = false;
  /** Wakes a `next` that waits. */
  #wake: (() => void) | undefined;

  constructor(
    answer: SharedAnswer,
    signal: CancelSignal,
    filter: ((block: Uint8Array) => Uint8Array) | undefined,
  ) {
    this.#answer = answer;
    this.#signal = signal;
    this.#filter = filter;
  }

  /** True while it could take more than there is. */
  get wants(): boolean {
    return this.#wake !== undefined || (this.#sink !== undefined && !this.#isPaused);
  }

  /** Hands over everything from the first block on; see `AnswerStream`. */
  flow(sink: AnswerSink): void {
    this.#sink = sink;
    this.#catchUp();
  }

  pause(): void {
    this.#isPaused = true;
    this.#answer.rest();
  }

  resume(): void {
    this.#isPaused = false;
    this.#catchUp();
  }

  /**
   * The next block; undefined at the proper end. Throws what the stream throws, the reason of the
   * signal, and `evicted-slow-consumer` where the block is gone.
   */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#isStopped) {
        throw errorOfAbort(this.#signal.reason);
      }
      const block = this.#answer.blockAt(this.#position);
      if (block !== undefined) {
        this.#position += 1;
        const handedOn = this.#filtered(block);
        if (handedOn.length > 0) {
          return handedOn;
        }
        continue;
      }
      const { ending } = this.#answer;
      if (ending !== undefined) {
        if ("error" in ending) {
          throw ending.error;
        }
        return undefined;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      this.#answer.demand();
      await promise;
    }
  }

  /** Hands over what has come, and the end. */
  advance(): void {
    this.#wake?.();
    this.#wake = undefined;
    while (this.#sink !== undefined && !this.#isPaused) {
      const sink = this.#sink;
      let block: Uint8Array | undefined;
      try {
        block = this.#answer.blockAt(this.#position);
      } catch (error) {
        this.#finish(sink, error);
        return;
      }
      if (block === undefined) {
        const { ending } = this.#answer;
        if (ending !== undefined) {
          this.#finish(sink, ending.error);
        }
        return;
      }
      this.#position += 1;
      const handedOn = this.#filtered(block);
      if (handedOn.length > 0) {
        sink.onEvents(handedOn);
      }
    }
  }

  /** All that came together has been handed over. */
  flush(): void {
    if (!this.#isPaused) {
      this.#sink?.onRead();
    }
  }

  /** Reads no more; a `next` that waits throws. Harmless at any time. */
  stop(): void {
    this.#isStopped = true;
    this.#sink = undefined;
    this.#wake?.();
    this.#wake = undefined;
    this.#answer.leave(this);
  }

  #catchUp(): void {
    const before = this.#position;
    this.advance();
    if (this.#position > before) {
      this.flush();
    }
    if (this.wants) {
      this.#answer.demand();
    }
  }

  #filtered(block: Uint8Array): Uint8Array {
    return this.#filter === undefined ? block : this.#filter(block);
  }

  #finish(sink: AnswerSink, error: unknown): void {
    this.#sink = undefined;
    sink.onEnd(error);
  }
}
