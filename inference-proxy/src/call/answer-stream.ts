import { type StreamTranslator, streamTranslatorOf, translationOf } from "../formats/index.ts";
import type { OpenStream, ServingPath } from "../upstream/open.ts";
import type { StreamFacts, StreamTap } from "../upstream/stream-tap.ts";
import { createTap, formatOf } from "../upstream/wire-format.ts";
import {
  type CallerPatience,
  nextNumber,
  type StreamReservation,
  WatchedStream,
} from "./watched-stream.ts";

/*
 * The rest of a stream whose first event is in hand.
 */

/** The events of an answer, checked on their way through. */
export interface AnswerStream {
  /**
   * The next whole events to hand on; undefined at the proper end of the answer. Throws
   * `failed-upstream-cut` when the stream ends, breaks or falls silent before its answer is
   * complete: what was handed on stands.
   */
  next(): Promise<Uint8Array | undefined>;
  /**
   * Where an answer can be pushed: hands over everything as it comes, from the upstream's own
   * events, instead of `next`. See `flowOf`, which works for every answer.
   */
  flow?(sink: AnswerSink): void;
  /** With `flow`: what comes from here on waits, and the upstream with it; and goes on. */
  pause?(): void;
  resume?(): void;
  readonly facts: StreamFacts;
  /** What an event of ours would be numbered, in streams whose events are. */
  readonly sequenceNumber: number;
  cancel(): void;
}

/** Who is told of an answer's events. */
export interface AnswerSink {
  /** Whole events to hand on. */
  onEvents(block: Uint8Array): void;
  /** All that came together has been handed over: a good moment to flush. */
  onRead(): void;
  /** Once, last; with the error that `next` would throw. Not told after a `cancel`. */
  onEnd(error?: unknown): void;
}

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
    readonly patience: CallerPatience;
  },
): AnswerStream {
  const { path, asked } = options;
  const translation = translationOf(path, asked.path);
  if (translation === undefined) {
    return new WatchedStream(stream, createTap(formatOf(path), asked), options);
  }
  const tap = createTap(formatOf(path), { dropsUsage: false });
  return translateStream(new WatchedStream(stream, tap, options), {
    translator: streamTranslatorOf(translation),
    tap: createTap(formatOf(asked.path), asked),
  });
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
