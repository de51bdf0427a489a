import { errorOfAbort, WarmpathError } from "@warmpath/runtime/base";
import type { AnswerStream } from "../call/answer-stream.ts";

/*
 * One upstream stream, read by several. Whoever is furthest asks for the next block; the others
 * find it here. Blocks are held once for all, and the oldest go when there are too many bytes:
 * who has not read them by then has fallen behind, and is told so instead of stopping the rest.
 */

/** What has been read of one stream. */
export interface SharedAnswer {
  /** A reader that begins at the first block; undefined when that is held no more. */
  read(signal: AbortSignal): SharedReader | undefined;
  /** True while every block is held. */
  readonly isWhole: boolean;
  /** All blocks in order, while every block is held. */
  bytes(): Uint8Array<ArrayBuffer>;
}

/** One reader of a shared stream. */
export interface SharedReader {
  /**
   * The next block; undefined at the proper end. Throws what the stream throws, the reason of the
   * signal, and `evicted-slow-consumer` where the block is gone.
   */
  next(): Promise<Uint8Array | undefined>;
  /** Wakes a read that waits; harmless at any time. */
  stop(): void;
}

/** How a stream ended. */
export type Ending = { readonly error?: unknown };

/** Shares the stream; `onEnd` runs once, before any reader learns of the end. */
export function shareAnswer(options: {
  readonly events: AnswerStream;
  readonly bytesMax: number;
  readonly onEnd: (ending: Ending, answer: SharedAnswer) => void;
}): SharedAnswer {
  const { events, bytesMax, onEnd } = options;
  const waiting = new Set<() => void>();
  let blocks: Uint8Array[] = [];
  /** Blocks that are gone. */
  let dropped = 0;
  let size = 0;
  let ending: Ending | undefined;
  let isReading = false;

  const keep = (read: Uint8Array): void => {
    // A small view would keep the whole buffer that it was cut from.
    const block = read.length * 2 < read.buffer.byteLength ? read.slice() : read;
    blocks.push(block);
    size += block.length;
    let excess = 0;
    while (size > bytesMax && excess < blocks.length - 1) {
      size -= blocks[excess]?.length ?? 0;
      excess += 1;
    }
    if (excess > 0) {
      blocks = blocks.slice(excess);
      dropped += excess;
    }
  };

  /** Reads one block for everybody; never rejects. */
  const advance = async (): Promise<void> => {
    isReading = true;
    try {
      const block = await events.next();
      if (block === undefined) {
        ending = {};
      } else {
        keep(block);
      }
    } catch (error) {
      ending = { error };
    }
    isReading = false;
    if (ending !== undefined) {
      onEnd(ending, answer);
    }
    for (const wake of waiting) {
      wake();
    }
    waiting.clear();
  };

  const createReader = (signal: AbortSignal): SharedReader => {
    let position = 0;
    let isStopped = false;
    let wake: (() => void) | undefined;
    return {
      next: async () => {
        for (;;) {
          if (isStopped) {
            throw errorOfAbort(signal.reason);
          }
          if (position < dropped) {
            throw fellBehind(bytesMax);
          }
          const block = blocks[position - dropped];
          if (block !== undefined) {
            position += 1;
            return block;
          }
          if (ending !== undefined) {
            if ("error" in ending) {
              throw ending.error;
            }
            return undefined;
          }
          await new Promise<void>((resolve) => {
            wake = resolve;
            waiting.add(resolve);
            if (!isReading) {
              void advance();
            }
          });
        }
      },
      stop: () => {
        isStopped = true;
        if (wake !== undefined) {
          waiting.delete(wake);
          wake();
        }
      },
    };
  };

  const answer: SharedAnswer = {
    read: (signal) => (dropped === 0 ? createReader(signal) : undefined),
    get isWhole() {
      return dropped === 0;
    },
    bytes: () => Buffer.concat(blocks),
  };
  return answer;
}

function fellBehind(bytesMax: number): WarmpathError {
  return new WarmpathError(
    "evicted-slow-consumer",
    `this caller fell more than ${bytesMax} bytes behind an answer that it shares with others`,
  );
}
