import { WarmpathError } from "@warmpath/runtime/base";
import { type StreamTranslator, streamTranslatorOf, translationOf } from "../formats/index.ts";
import type { Reservation } from "../pace/index.ts";
import { keyBytes, lastValue, searchable } from "../upstream/json-scan.ts";
import type { OpenStream, ServingPath } from "../upstream/open.ts";
import type { StreamFacts, StreamTap } from "../upstream/stream-tap.ts";
import { createTap, formatOf } from "../upstream/wire-format.ts";

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
  /** What an event of ours would be numbered, in streams whose events are. */
  readonly sequenceNumber: number;
  cancel(): void;
}

/** What a stream needs of its reservation. */
type StreamReservation = Pick<Reservation, "answerTokensPaid" | "topUp">;

/**
 * Watches one stream to its end, and takes more of its limits as it outgrows its reservation.
 * `path`: by which the upstream was asked; its events are translated where the client asked by one
 * of another format.
 */
export function createAnswerStream(
  stream: OpenStream,
  options: {
    readonly path: ServingPath;
    readonly asked: { readonly path: ServingPath; readonly dropsUsage: boolean };
    readonly reservation: StreamReservation;
  },
): AnswerStream {
  const { path, asked, reservation } = options;
  const translation = translationOf(path, asked.path);
  if (translation === undefined) {
    return watchStream(stream, createTap(formatOf(path), asked), reservation);
  }
  const tap = createTap(formatOf(path), { dropsUsage: false });
  return translateStream(watchStream(stream, tap, reservation), {
    translator: streamTranslatorOf(translation),
    tap: createTap(formatOf(asked.path), asked),
  });
}

function watchStream(
  stream: OpenStream,
  tap: StreamTap,
  reservation: StreamReservation,
): AnswerStream {
  let isFirst = true;
  let last: Uint8Array | undefined;

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
    get sequenceNumber() {
      return nextNumber(last);
    },
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
        while (tap.facts.choiceEvents > reservation.answerTokensPaid) {
          reservation.topUp();
        }
        if (handedOn.length > 0) {
          last = handedOn;
          return handedOn;
        }
      }
    },
  };
}

/**
 * The same answer in the client's format. The facts stay those of the upstream's own events; `tap`
 * is the client's, and takes out what it did not ask for.
 */
function translateStream(
  events: AnswerStream,
  { translator, tap }: { readonly translator: StreamTranslator; readonly tap: StreamTap },
): AnswerStream {
  let isEnded = false;
  let last: Uint8Array | undefined;
  return {
    facts: events.facts,
    get sequenceNumber() {
      return nextNumber(last);
    },
    cancel: () => events.cancel(),
    next: async () => {
      while (!isEnded) {
        const block = await events.next();
        isEnded = block === undefined;
        const told = block === undefined ? translator.end() : translator.push(block);
        const handedOn = tap.inspect(told);
        if (handedOn.length > 0) {
          last = handedOn;
          return handedOn;
        }
      }
      return undefined;
    },
  };
}

const sequenceKey = keyBytes("sequence_number");

/** The number after that of the last event in a block; 0 where events have none. */
function nextNumber(block: Uint8Array = new Uint8Array()): number {
  const bytes = searchable(block);
  const at = lastValue(bytes, sequenceKey);
  const number = at < 0 ? -1 : Number.parseInt(bytes.toString("latin1", at, at + 16), 10);
  return Number.isSafeInteger(number) ? number + 1 : 0;
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
