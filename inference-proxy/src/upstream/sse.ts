import { WarmpathError } from "@warmpath/runtime/base";

/*
 * Server-sent events as bytes. Cost per chunk of a stream: one look at its last bytes, and in the
 * common case (the chunk ends where an event ends) neither a copy nor an allocation.
 */

/** Cuts a byte stream at event boundaries. */
export interface EventFramer {
  /** The complete events that are in hand after this chunk; may be empty. */
  push(chunk: Uint8Array): Uint8Array;
  /** Bytes of an event that has not ended. */
  readonly pendingBytes: number;
}

const newline = 0x0a;
const empty = new Uint8Array(0);

/** An empty line has at most so many bytes before the one that ends it: "\r\n\r" of "\r\n\r\n". */
const tailBytesMax = 3;

/** Makes a framer that refuses an event longer than `eventBytesMax`. */
export function createEventFramer(eventBytesMax: number): EventFramer {
  return new Framer(eventBytesMax);
}

class Framer implements EventFramer {
  readonly #eventBytesMax: number;
  /** Of an event that has not ended; joined once it has, however many reads it took. */
  #pieces: Uint8Array[] = [];
  pendingBytes = 0;
  /** The last bytes of the pieces. */
  #tail: Uint8Array = empty;

  constructor(eventBytesMax: number) {
    this.#eventBytesMax = eventBytesMax;
  }

  push(chunk: Uint8Array): Uint8Array {
    if (this.pendingBytes === 0) {
      const end = endOfLastEvent(chunk);
      if (end === chunk.length) {
        return chunk;
      }
      this.#hold(copyOf(chunk, end), empty);
      return chunk.subarray(0, end);
    }
    const tail = this.#tail;
    const seen = Buffer.concat([tail, chunk]);
    const end = endOfLastEvent(seen);
    if (end === 0) {
      this.#hold(copyOf(chunk, 0), seen);
      return empty;
    }
    const whole = Buffer.concat([...this.#pieces, chunk.subarray(0, end - tail.length)]);
    this.#pieces = [];
    this.pendingBytes = 0;
    this.#tail = empty;
    if (end < seen.length) {
      this.#hold(copyOf(chunk, end - tail.length), empty);
    }
    return whole;
  }

  /** `seen`: the piece with what came before it. */
  #hold(piece: Uint8Array, seen: Uint8Array): void {
    this.#pieces.push(piece);
    this.pendingBytes += piece.length;
    if (this.pendingBytes > this.#eventBytesMax) {
      throw new WarmpathError(
        "failed-upstream-protocol",
        `the upstream sent an event longer than ${this.#eventBytesMax} bytes`,
      );
    }
    this.#tail = copyOf(seen.length === 0 ? piece : seen, -tailBytesMax);
  }
}

/** A view, such as a `Buffer`'s own slice is, would keep the whole read that it was cut from. */
function copyOf(bytes: Uint8Array, from: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.prototype.slice.call(bytes, from);
}

/** The position after the last empty line; 0 when there is none. */
function endOfLastEvent(bytes: Uint8Array): number {
  const length = bytes.length;
  if (bytes[length - 1] === newline && isEmptyLineBefore(bytes, length - 1)) {
    return length;
  }
  for (let at = bytes.lastIndexOf(newline); at > 0; at = bytes.lastIndexOf(newline, at - 1)) {
    if (isEmptyLineBefore(bytes, at)) {
      return at + 1;
    }
  }
  return 0;
}

/** True when the line that the newline at `at` ends is empty: "\n\n" or "\r\n\r\n". */
function isEmptyLineBefore(bytes: Uint8Array, at: number): boolean {
  const before = bytes[at - 1];
  return before === newline || (before === 0x0d && bytes[at - 2] === newline);
}

/** The events of a block of complete events, each with its closing empty line. */
export function splitEvents(block: Uint8Array): readonly Uint8Array[] {
  const events: Uint8Array[] = [];
  let start = 0;
  for (let at = block.indexOf(newline); at >= 0; at = block.indexOf(newline, at + 1)) {
    if (at > start && isEmptyLineBefore(block, at)) {
      events.push(block.subarray(start, at + 1));
      start = at + 1;
    }
  }
  return events;
}

const decoder = new TextDecoder();

/**
 * The `data` of one event, its lines joined; undefined when it has none (a comment, a keep-alive).
 */
export function dataOf(event: Uint8Array): string | undefined {
  const lines = decoder
    .decode(event)
    .split("\n")
    .map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line))
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(line.startsWith("data: ") ? 6 : 5));
  return lines.length === 0 ? undefined : lines.join("\n");
}

/** The name of one event; empty when it has none, as in streams of chats. */
export function nameOf(event: Uint8Array): string {
  return /^event: ?([^\r\n]*)/m.exec(decoder.decode(event))?.[1] ?? "";
}

/** The `data` that ends a stream of OpenAI's API; no proof that the answer is complete. */
export const doneData = "[DONE]";

/** One event that carries this JSON value, under this name if one is given. */
export function eventOf(value: unknown, name = ""): Uint8Array<ArrayBuffer> {
  const line = name === "" ? "" : `event: ${name}\n`;
  return new TextEncoder().encode(`${line}data: ${JSON.stringify(value)}\n\n`);
}
