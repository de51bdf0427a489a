import type { Socket } from "bun";

/** Pieces up to here are joined before they are written: a copy is cheaper than a system call. */
const joinedBytesMax = 64 * 1024;

/** What is being joined, for all connections of the process: it is empty between two events. */
const joined = Buffer.allocUnsafeSlow(joinedBytesMax);

/**
 * What goes out on one socket. Pieces written within one event leave in one system call; what the
 * socket does not take is kept until it drains.
 */
export class Outbox {
  #socket: Socket<unknown> | undefined;
  #unsent: Uint8Array[] = [];
  #heldBytes = 0;
  readonly #onBehind: (() => void) | undefined;

  /** `onBehind`: told whenever the socket has just not taken all that it was given. */
  constructor(onBehind?: () => void) {
    this.#onBehind = onBehind;
  }

  /** Bytes that the socket has not taken yet. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  attach(socket: Socket<unknown>): void {
    this.#socket = socket;
  }

  /** Writes a head and what follows it, which must not change until it has been taken. */
  writeHead(head: string, body: Uint8Array): void {
    const length = head.length + body.length;
    if (length > joinedBytesMax) {
      this.write(Buffer.from(head, "latin1"));
      this.write(body);
      return;
    }
    joined.write(head, 0, "latin1");
    joined.set(body, head.length);
    this.#writeJoined(length);
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
    const opening = isChunked && bytes > 0 ? `${head}${bytes.toString(16)}\r\n` : head;
    const closing = (isChunked && bytes > 0 ? "\r\n" : "") + (isEnd ? "0\r\n\r\n" : "");
    const length = opening.length + bytes + closing.length;
    if (length > joinedBytesMax) {
      this.write(Buffer.from(opening, "latin1"));
      for (const piece of pieces) {
        this.write(piece);
      }
      this.write(Buffer.from(closing, "latin1"));
      return;
    }
    let at = joined.write(opening, 0, "latin1");
    for (const piece of pieces) {
      joined.set(piece, at);
      at += piece.length;
    }
    at += joined.write(closing, at, "latin1");
    this.#writeJoined(at);
  }

  /** Writes bytes that must not change until they have been taken. */
  write(bytes: Uint8Array): void {
    if (this.#heldBytes > 0) {
      this.#keep(bytes);
      return;
    }
    const written = this.#take(bytes, bytes.length);
    if (written < bytes.length) {
      this.#keep(bytes.subarray(written));
    }
  }

  /** The socket takes more. */
  drain(): void {
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

  #writeJoined(length: number): void {
    const written = this.#heldBytes > 0 ? 0 : this.#take(joined, length);
    if (written < length) {
      this.#keep(Uint8Array.prototype.slice.call(joined, written, length));
    }
  }

  /** -1 of a socket that is closing, which will be told, counts as nothing taken. */
  #take(bytes: Uint8Array, length: number): number {
    return Math.max(0, this.#socket?.write(bytes, 0, length) ?? 0);
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
