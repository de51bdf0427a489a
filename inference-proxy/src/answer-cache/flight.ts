import { type CancelSignal, errorOfAbort, WarmpathError } from "@warmpath/runtime/base";
import type { AnswerStream } from "../call/answer-stream.ts";
import type { OpenCall } from "../call/end-call.ts";
import type { CallFault } from "../call/open-call.ts";
import type { OpenFresh } from "../call/reuse.ts";
import type { CallRequest } from "../call/types.ts";
import { createStreamTap } from "../upstream/stream-tap.ts";
import { type Ending, SharedAnswer, type ShareOptions } from "./shared-answer.ts";

/*
 * One upstream call on behalf of all who ask the same. It is in the name of who asked first (place,
 * account, trace) and outlives them: it is given up when nobody listens any more.
 */

/** A call that several may listen to. */
export interface Flight {
  /**
   * The answer from its beginning; undefined when the call failed before it began, or began too
   * long ago. Rejects when the listener's own caller leaves first.
   */
  listen(request: CallRequest): Promise<Listening | CallFault | undefined>;
  /** What the upstream call itself failed with, for the one in whose name it was made. */
  readonly failure: unknown;
}

/** One listener's side of an open call. */
export interface Listening {
  readonly kind: "open";
  readonly call: OpenCall;
  /** The listener's own view of the answer. */
  readonly answer: OpenCall["answer"];
  /**
   * Stops listening; the last one to leave an unfinished answer ends the call with this error. True
   * when the call has ended.
   */
  leave(error: unknown): boolean;
}

/** Gets an answer's bytes, complete and in the form in which they came. */
export type FlightAnswer = (call: OpenCall, bytes: Uint8Array<ArrayBuffer>) => void;

/** Starts the call. `onAnswer` comes when it ended well, `onClosed` in any case. */
export function startFlight(options: {
  readonly request: CallRequest;
  readonly openFresh: OpenFresh;
  readonly held: Pick<ShareOptions, "bytesMax" | "aloneBytesMax">;
  readonly onAnswer: FlightAnswer | undefined;
  readonly onClosed: () => void;
}): Flight {
  const { request, openFresh, held, onAnswer, onClosed } = options;
  const unheard = new AbortController();
  let listeners = 0;
  let shared: SharedAnswer | undefined;
  let failure: unknown;
  let isClosed = false;

  const close = (): void => {
    if (!isClosed) {
      isClosed = true;
      onClosed();
    }
  };

  const endOf = (call: OpenCall) => (ending: Ending, answer: SharedAnswer) => {
    call.end(ending.error);
    close();
    if (onAnswer !== undefined && !("error" in ending) && answer.isWhole) {
      onAnswer(call, answer.bytes());
    }
  };

  /** Never rejects: a failure is kept for the first caller, and the others ask anew. */
  const open = async (): Promise<OpenCall | CallFault | undefined> => {
    try {
      // The usage event is wanted here; each listener drops it for itself.
      const { reuse: _asked, ...plain } = request;
      const call = await openFresh({ ...plain, dropsUsage: false, signal: unheard.signal });
      if (call.kind === "fault") {
        close();
        return call;
      }
      if (call.answer.kind === "whole") {
        call.end();
        close();
        onAnswer?.(call, call.answer.bytes);
      } else {
        shared = new SharedAnswer({ events: call.answer.events, ...held, onEnd: endOf(call) });
      }
      return call;
    } catch (error) {
      failure = error;
      close();
      return undefined;
    }
  };

  const leave = (error: unknown): void => {
    listeners -= 1;
    if (listeners === 0 && !isClosed) {
      close();
      unheard.abort(error);
    }
  };

  const opening = open();

  return {
    get failure() {
      return failure;
    },
    listen: async ({ signal, dropsUsage }) => {
      listeners += 1;
      const call = await orLeft(opening, signal).catch((error: unknown) => {
        leave(error);
        throw error;
      });
      if (call?.kind !== "open") {
        listeners -= 1;
        return call;
      }
      const answer = answerFor(call, shared, { signal, dropsUsage });
      if (answer === undefined) {
        leave(new WarmpathError("failed-cancelled", "nobody listens to this answer any more"));
        return undefined;
      }
      let hasLeft = false;
      return {
        kind: "open",
        call,
        answer,
        leave: (error) => {
          if (!hasLeft) {
            hasLeft = true;
            leave(error);
          }
          return isClosed;
        },
      };
    },
  };
}

/** The promise, or the signal's reason if that comes first. */
async function orLeft<T>(promise: Promise<T>, signal: CancelSignal): Promise<T> {
  if (signal.aborted) {
    throw errorOfAbort(signal.reason);
  }
  const { promise: left, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(errorOfAbort(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, left]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function answerFor(
  call: OpenCall,
  shared: SharedAnswer | undefined,
  listener: { readonly signal: CancelSignal; readonly dropsUsage: boolean },
): OpenCall["answer"] | undefined {
  if (call.answer.kind === "whole") {
    return call.answer;
  }
  // Only streams of chats have a usage event of their own.
  const tap = listener.dropsUsage ? createStreamTap({ dropsUsage: true }) : undefined;
  const reader = shared?.read(listener.signal, tap && ((block) => tap.inspect(block)));
  if (reader === undefined) {
    return undefined;
  }
  const { events: source } = call.answer;
  const events: AnswerStream = {
    facts: source.facts,
    // The upstream's last event is this listener's, or later.
    get sequenceNumber() {
      return source.sequenceNumber;
    },
    next: () => reader.next(),
    flow: (sink) => reader.flow(sink),
    pause: () => reader.pause(),
    resume: () => reader.resume(),
    cancel: () => reader.stop(),
  };
  return { kind: "stream", events };
}
