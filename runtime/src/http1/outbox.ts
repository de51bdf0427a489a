import type { Socket } from "bun";
import { type Departing, Departures } from "./departures.ts";
import { SplicedBytes } from "./spliced-bytes.ts";

/** Pieces up to here are joined before they are written: a copy is cheaper than a system call. */
const joinedBytesMax = 64 * 1024;

/** Of all connections of the process: what they write in one turn leaves together. */
const departures = new Departures(setImmediate);

/** Runs `task`, which must not throw, once all that this turn writes has left. */
export function afterDeparture(task: () => void): void {
  departures.afterwards(task);
}

/**
 * What goes out on one socket. Pieces written within one event leave in one system call at the end
 * of the event loop's turn; what the socket does not take is kept until it drains.
 */
export class Outbox implements Departing {
  #socket: Socket<unknown> | undefined;
  #unsent: Uint8Array[] = [];
  #heldBytes = 0;
  /** Bytes that leave at the end of this turn. */
  #departingBytes = 0;
  readonly #onBehind: (() => void) | undefined;

  /** `onBehind`: told whenever the socket has just not taken all that it was given. */
  constructor(onBehind?: () => void) {
    this.#onBehind = onBehind;
  }

  /** Bytes that the socket was given and has not taken. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  attach(socket: Socket<unknown>): void {
    this.#socket = socket;
  }

  /** Writes a head and what follows it, which must not change until it has been taken. */
  writeHead(head: string, body: Uint8Array | SplicedBytes): void {
    const length = head.length + body.length;
    if (length > joinedBytesMax) {
      this.write(Buffer.from(head, "latin1"));
      for (const piece of body instanceof SplicedBytes ? body.pieces() : [body]) {
        this.write(piece);
      }
      return;
    }
    const arena = departures.room(length);
    const at = departures.at;
    arena.write(head, at, "latin1");
    if (body instanceof SplicedBytes) {
      body.copyTo(arena, at + head.length);
    } else {
      arena.set(body, at + head.length);
    }
    this.#depart(length);
  }

  /**
   * Writes what has come of a body: its head if it has not gone out, the pieces (as one chunk where
   * it goes in chunks), and the end mark of a body in chunks.
   */
  writeBody(
    head: string,
    pieces: readonly Uint8Array[],
    { isChunked, isEnd }: { readonly isChunked: boolean; readonly isEnd: boolean },
  ): void {
    let bytes = 0;
    for (const piece of pieces) {
      bytes += piece.length;
    }
    const isChunk = isChunked && bytes > 0;
    const length = head.length + bytes + (isChunk ? chunkBytesMax : 0) + lastChunk.length;
    if (length > joinedBytesMax) {
      this.write(Buffer.from(isChunk ? `${head}${bytes.toString(16)}\r\n` : head, "latin1"));
      for (const piece of pieces) {
        this.write(piece);
      }
      const end = isEnd ? lastChunk : "";
      this.write(Buffer.from(isChunk ? `\r\n${end}` : end, "latin1"));
      return;
    }
    // Once a token: no text is made of what frames it.
    const arena = departures.room(length);
    const from = departures.at;
    let at = head === "" ? from : from + arena.write(head, from, "latin1");
    if (isChunk) {
      at = endLine(arena, writeHex(arena, at, bytes));
    }
    for (const piece of pieces) {
      arena.set(piece, at);
      at += piece.length;
    }
    if (isChunk) {
      at = endLine(arena, at);
    }
    if (isEnd) {
      at += arena.write(lastChunk, at, "latin1");
    }
    this.#depart(at - from);
  }

  /** Writes bytes that must not change until they have been taken. */
  write(bytes: Uint8Array): void {
    this.settle();
    if (this.#heldBytes > 0) {
      this.#keep(bytes);
      return;
    }
    const written = this.#take(bytes, 0, bytes.length);
    if (written < bytes.length) {
      this.#keep(bytes.subarray(written));
    }
  }

  /** Gives the socket now what would leave at the end of the turn. */
  settle(): void {
    if (this.#departingBytes > 0) {
      departures.flush();
    }
  }

  depart(arena: Buffer, start: number, length: number): void {
    this.#departingBytes -= length;
    if (this.#socket === undefined) {
      return;
    }
    const written = this.#heldBytes > 0 ? 0 : this.#take(arena, start, length);
    if (written < length) {
      this.#keep(Uint8Array.prototype.slice.call(arena, start + written, start + length));
    }
  }

  /** The socket takes more. */
  drain(): void {
    // What leaves with this turn comes behind what is held.
    this.settle();
    const unsent = this.#unsent;
    this.#unsent = [];
    this.#heldBytes = 0;
    for (const bytes of unsent) {
      this.write(bytes);
    }
  }

  /** Forgets what is held; the connection is gone. */
  clear(): void {
    this.#socket = undefined;
    this.#unsent = [];
    this.#heldBytes = 0;
  }

  #depart(length: number): void {
    this.#departingBytes += length;
    departures.add(this, length);
  }

  /** -1 of a socket that is closing, which will be told, counts as nothing taken. */
  #take(bytes: Uint8Array, start: number, length: number): number {
    return Math.max(0, this.#socket?.write(bytes, start, length) ?? 0);
  }

  #keep(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
    const wasBehind = this.#heldBytes > 0;
    this.#heldBytes += bytes.length;
    if (!wasBehind) {
      this.#onBehind?.();
    }
  }
}

const lastChunk = "0\r\n\r\n";
/** What frames a chunk that is written in one piece: at most eight digits, and two line ends. */
const chunkBytesMax = 12;

/** Writes a number below 2^31 in hexadecimal digits; returns the position behind them. */
function writeHex(bytes: Buffer, at: number, value: number): number {
  let shift = 0;
  while (value >> (shift + 4) > 0) {
    shift += 4;
  }
  let next = at;
  for (; shift >= 0; shift -= 4) {
    const digit = (value >> shift) & 15;
    bytes[next] = digit < 10 ? 0x30 + digit : 0x57 + digit;
    next += 1;
  }
  return next;
}

function endLine(bytes: Buffer, at: number): number {
  bytes[at] = 0x0d;
  bytes[at + 1] = 0x0a;
  return at + 2;
}
