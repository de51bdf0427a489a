import { type CancelSignal, WarmpathError } from "@warmpath/runtime/base";
import type { AnswerSink, AnswerStream } from "../call/answer-stream.ts";
import { type EventFlow, flowOf } from "../call/event-pump.ts";
import { SharedReader } from "./shared-reader.ts";

/*
 * One upstream stream, read by several. It goes on while any of them can take more; the others find
 * here what they have not read. Blocks are held once for all, and the oldest go when there are too
 * many bytes: who has not read them by then has fallen behind, and is told so instead of stopping
 * the rest.
 */

/** How a stream ended. */
export type Ending = { readonly error?: unknown };

/** What sharing a stream needs. */
export interface ShareOptions {
  readonly events: AnswerStream;
  /** Bytes that are held; a reader further behind than that is cut off. */
  readonly bytesMax: number;
  /** The same while there is but one reader: for those who may still come. */
  readonly aloneBytesMax: number;
  /** Runs once, before any reader learns of the end. */
  readonly onEnd: (ending: Ending, answer: SharedAnswer) => void;
}

/** What has been read of one stream, and who reads it. */
export class SharedAnswer implements AnswerSink {
  readonly #options: ShareOptions;
  readonly #readers = new Set<SharedReader>();
  #blocks: Uint8Array[] = [];
  /** Blocks that are gone. */
  #dropped = 0;
  #size = 0;
  #source: EventFlow | undefined;
  #isPaused = false;
  #ending: Ending | undefined;

  constructor(options: ShareOptions) {
    this.#options = options;
  }

  /** True while every block is held. */
  get isWhole(): boolean {
    return this.#dropped === 0;
  }

  /** Undefined while it goes on. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** All blocks in order, while every block is held. */
  bytes(): Uint8Array<ArrayBuffer> {
    return Buffer.concat(this.#blocks);
  }

  /**
   * A reader that begins at the first block; undefined when that is held no more. `filter` takes
   * out what this reader did not ask for.
   */
  read(signal: CancelSignal, filter?: (block: Uint8Array) => Uint8Array): SharedReader | undefined {
    if (!this.isWhole) {
      return undefined;
    }
    const reader = new SharedReader(this, signal, filter);
    this.#readers.add(reader);
    return reader;
  }

  /** The block at a position; undefined where it is not there yet. Throws where it is gone. */
  blockAt(position: number): Uint8Array | undefined {
    if (position < this.#dropped) {
      const { bytesMax } = this.#options;
      throw new WarmpathError(
        "evicted-slow-consumer",
        `this caller fell more than ${bytesMax} bytes behind an answer that it shares with others`,
      );
    }
    return this.#blocks[position - this.#dropped];
  }

  /** Some reader can take more. */
  demand(): void {
    if (this.#ending !== undefined) {
      return;
    }
    if (this.#source === undefined) {
      this.#source = flowOf(this.#options.events);
      this.#source.flow(this);
    } else if (this.#isPaused) {
      this.#isPaused = false;
      this.#source.resume();
    }
  }

  /** Some reader can take no more: if that was the last one, the upstream waits too. */
  rest(): void {
    if (this.#ending !== undefined || this.#source === undefined || this.#isPaused) {
      return;
    }
    for (const reader of this.#readers) {
      if (reader.wants) {
        return;
      }
    }
    this.#isPaused = true;
    this.#source.pause();
  }

  leave(reader: SharedReader): void {
    this.#readers.delete(reader);
    this.rest();
  }

  onEvents(block: Uint8Array): void {
    this.#keep(block);
    for (const reader of this.#readers) {
      reader.advance();
    }
  }

  onRead(): void {
    for (const reader of this.#readers) {
      reader.flush();
    }
    this.rest();
  }

  onEnd(error?: unknown): void {
    this.#ending = error === undefined ? {} : { error };
    try {
      this.#options.onEnd(this.#ending, this);
    } finally {
      // Whatever becomes of the account, nobody waits for more.
      for (const reader of this.#readers) {
        reader.advance();
      }
    }
  }

  #keep(read: Uint8Array): void {
    // A small view would keep the whole buffer that it was cut from.
    const block = read.length * 2 < read.buffer.byteLength ? read.slice() : read;
    this.#blocks.push(block);
    this.#size += block.length;
    const { bytesMax, aloneBytesMax } = this.#options;
    const heldMax = this.#readers.size > 1 ? bytesMax : aloneBytesMax;
    let excess = 0;
    while (this.#size > heldMax && excess < this.#blocks.length - 1) {
      this.#size -= this.#blocks[excess]?.length ?? 0;
      excess += 1;
    }
    if (excess > 0) {
      this.#blocks = this.#blocks.slice(excess);
      this.#dropped += excess;
    }
  }
}
