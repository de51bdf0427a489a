import { WarmpathError } from "@warmpath/runtime/base";
import type { Reservation } from "../pace/index.ts";
import { keyBytes, lastValue, searchable } from "../upstream/json-scan.ts";
import type { OpenStream, StreamSink } from "../upstream/open.ts";
import { doneData } from "../upstream/sse.ts";
import type { StreamFacts, StreamTap } from "../upstream/stream-tap.ts";
import type { Watch, Watchdog } from "../upstream/watchdog.ts";
import type { AnswerSink, AnswerStream } from "./answer-stream.ts";
import { createEventPump, type EventFlow } from "./event-pump.ts";

/** What a stream needs of its reservation. */
export type StreamReservation = Pick<Reservation, "answerTokensPaid" | "topUp">;

/** For how long a caller may leave its answer waiting. */
export interface CallerPatience {
  readonly watchdog: Watchdog;
  readonly heldUpMsMax: number;
  /** It has taken too long; to be called once. */
  readonly onGivenUp: (error: WarmpathError) => void;
}

/*
 * Cost per block: the tap's byte searches and a few calls, all from the event of the socket that
 * brought it. Nothing of a block is copied.
 */

/** The upstream's own events, checked on their way through. */
export class WatchedStream implements AnswerStream, StreamSink {
  readonly facts: StreamFacts;
  readonly #stream: OpenStream;
  readonly #tap: StreamTap;
  readonly #reservation: StreamReservation;
  #isFirst = true;
  #isLeft = false;
  #last: Uint8Array | undefined;
  #sink: AnswerSink | undefined;
  /** For a stream that can only be pulled. */
  #pump: EventFlow | undefined;
  readonly #patience: CallerPatience;
  /** Runs while the caller is waited for; none before it has been for the first time. */
  #held: Watch | undefined;

  constructor(
    stream: OpenStream,
    tap: StreamTap,
    {
      reservation,
      patience,
    }: {
      readonly reservation: StreamReservation;
      readonly patience: CallerPatience;
    },
  ) {
    this.facts = tap.facts;
    this.#stream = stream;
    this.#tap = tap;
    this.#reservation = reservation;
    this.#patience = patience;
  }

  get sequenceNumber(): number {
    return nextNumber(this.#last);
  }

  async next(): Promise<Uint8Array | undefined> {
    this.#held?.pause();
    const block = await this.#nextHandedOn();
    if (block !== undefined) {
      this.#waitForCaller();
    }
    return block;
  }

  async #nextHandedOn(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#isLeft) {
        throw new WarmpathError("failed-cancelled", "nobody reads this answer any more");
      }
      if (this.facts.isFalseEnd) {
        this.#stream.cancel();
        throw givenUp();
      }
      const block = await this.#read();
      if (block === undefined) {
        const fault = faultAtEnd(this.facts);
        if (fault !== undefined) {
          throw fault;
        }
        return undefined;
      }
      const handedOn = this.#inspect(block);
      if (handedOn.length > 0) {
        return handedOn;
      }
    }
  }

  flow(sink: AnswerSink): void {
    if (this.#isLeft) {
      return;
    }
    if (this.#stream.flow === undefined) {
      this.#pump = createEventPump(() => this.next());
      this.#pump.flow(sink);
      return;
    }
    this.#sink = sink;
    this.onBlock(this.#stream.first);
    // The first block may have been the last.
    if (this.#sink !== undefined) {
      this.#stream.flow(this);
    }
  }

  pause(): void {
    this.#waitForCaller();
    this.#pump?.pause();
    this.#stream.pause?.();
  }

  resume(): void {
    this.#held?.pause();
    this.#pump?.resume();
    this.#stream.resume?.();
  }

  cancel(): void {
    this.#isLeft = true;
    this.#held?.stop();
    this.#sink = undefined;
    this.#stream.cancel();
  }

  onBlock(block: Uint8Array): void {
    const sink = this.#sink;
    if (sink === undefined) {
      return;
    }
    const handedOn = this.#inspect(block);
    if (handedOn.length > 0) {
      sink.onEvents(handedOn);
    }
    if (this.facts.isFalseEnd) {
      this.#stream.cancel();
      this.onFail(givenUp());
    }
  }

  onRead(): void {
    this.#sink?.onRead();
  }

  onEnd(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onEnd(faultAtEnd(this.facts));
  }

  onFail(error: unknown): void {
    if (this.#hasSaidEnd()) {
      this.onEnd();
      return;
    }
    const sink = this.#sink;
    this.#sink = undefined;
    sink?.onEnd(asCut(error));
  }

  /** From here on it is the caller who has to go on. */
  #waitForCaller(): void {
    const { watchdog, heldUpMsMax } = this.#patience;
    if (this.#held === undefined) {
      this.#held = watchdog.watch(heldUpMsMax, () => this.#giveUpCaller(heldUpMsMax));
    } else {
      this.#held.touch();
    }
  }

  #giveUpCaller(heldUpMs: number): void {
    const sink = this.#sink;
    const message = `the caller took nothing of its answer for ${heldUpMs} ms`;
    const error = new WarmpathError("evicted-slow-consumer", message);
    // Its end is told by the call, which leaves the upstream.
    this.#patience.onGivenUp(error);
    sink?.onEnd(error);
  }

  async #read(): Promise<Uint8Array | undefined> {
    if (this.#isFirst) {
      this.#isFirst = false;
      return this.#stream.first;
    }
    try {
      return await this.#stream.next();
    } catch (error) {
      if (this.#hasSaidEnd()) {
        return undefined;
      }
      throw asCut(error);
    }
  }

  /** True once a finished answer's end mark was handed on: what breaks behind it harms nobody. */
  #hasSaidEnd(): boolean {
    const last = this.#last;
    return (
      last !== undefined &&
      this.facts.finishReason !== undefined &&
      searchable(last.subarray(-endMarkBytes)).includes(doneData)
    );
  }

  #inspect(block: Uint8Array): Uint8Array {
    const handedOn = this.#tap.inspect(block);
    while (this.facts.choiceEvents > this.#reservation.answerTokensPaid) {
      this.#reservation.topUp();
    }
    this.#last = handedOn.length > 0 ? handedOn : this.#last;
    return handedOn;
  }
}

/** "[DONE]" and the longest end of its event. */
const endMarkBytes = 10;

const sequenceKey = keyBytes("sequence_number");

/** The number after that of the last event in a block; 0 where events have none. */
export function nextNumber(block: Uint8Array = new Uint8Array()): number {
  const bytes = searchable(block);
  const at = lastValue(bytes, sequenceKey);
  const number = at < 0 ? -1 : Number.parseInt(bytes.toString("latin1", at, at + 16), 10);
  return Number.isSafeInteger(number) ? number + 1 : 0;
}

/** An end mark alone proves nothing: there has to be a finish reason, and no error. */
function faultAtEnd(facts: StreamFacts): WarmpathError | undefined {
  if (facts.isFailed) {
    // The upstream's own error event was handed on; the account must not call this done.
    return cut("the upstream failed in the middle of its answer");
  }
  return facts.finishReason === undefined
    ? cut("the upstream's stream ended before its answer did")
    : undefined;
}

function givenUp(): WarmpathError {
  return cut("the upstream gave the answer up");
}

function asCut(error: unknown): WarmpathError {
  return error instanceof WarmpathError
    ? error
    : cut("the connection to the upstream broke in the middle of its answer", error);
}

function cut(message: string, cause?: unknown): WarmpathError {
  return new WarmpathError("failed-upstream-cut", message, { cause });
}
