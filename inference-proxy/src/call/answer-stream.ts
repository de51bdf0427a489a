import { WarmpathError } from "@warmpath/runtime/base";
import type { OpenStream } from "../upstream/open.ts";
import { createStreamTap, type StreamFacts } from "../upstream/stream-tap.ts";

/*
 * The rest of a stream whose first event is in hand. Cost per block: one read, the tap's byte
 * searches, one clock reading. Nothing of a block is copied.
 */

/** The events of an answer, checked on their way through. */
export interface AnswerStream {
  /**
   * The next whole events to hand on; undefined at the proper end of the answer. Throws
   * `failed-upstream-cut` when the stream ends, breaks or falls silent before its answer is
   * complete: what was handed on stands.
   */
  next(): Promise<Uint8Array | undefined>;
  readonly facts: StreamFacts;
  cancel(): void;
}

/** Watches one stream to its end. */
export function createAnswerStream(
  stream: OpenStream,
  options: { readonly dropsUsage: boolean },
): AnswerStream {
  const tap = createStreamTap(options);
  let isFirst = true;

  const read = async (): Promise<Uint8Array | undefined> => {
    if (isFirst) {
      isFirst = false;
      return stream.first;
    }
    try {
      return await stream.next();
    } catch (error) {
      throw error instanceof WarmpathError
        ? error
        : cut("the connection to the upstream broke in the middle of its answer", error);
    }
  };

  return {
    facts: tap.facts,
    cancel: () => stream.cancel(),
    next: async () => {
      for (;;) {
        if (tap.facts.isFalseEnd) {
          stream.cancel();
          throw cut("the upstream gave the answer up");
        }
        const block = await read();
        if (block === undefined) {
          assertComplete(tap.facts);
          return undefined;
        }
        const handedOn = tap.inspect(block);
        if (handedOn.length > 0) {
          return handedOn;
        }
      }
    },
  };
}

/** An end mark alone proves nothing: there has to be a finish reason, and no error. */
function assertComplete(facts: StreamFacts): void {
  if (facts.isFailed) {
    // The upstream's own error event was handed on; the account must not call this done.
    throw cut("the upstream failed in the middle of its answer");
  }
  if (facts.finishReason === undefined) {
    throw cut("the upstream's stream ended before its answer did");
  }
}

function cut(message: string, cause?: unknown): WarmpathError {
  return new WarmpathError("failed-upstream-cut", message, { cause });
}
