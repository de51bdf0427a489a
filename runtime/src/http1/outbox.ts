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

  /** Writes one chunk of a chunked body, its framing around it. */
  writeChunk(bytes: Uint8Array): void {
    const size = `${bytes.length.toString(16)}\r\n`;
    const length = size.length + bytes.length + 2;
    if (length > joinedBytesMax) {
      this.write(Buffer.from(size, "latin1"));
      this.write(bytes);
      this.write(lineEnd);
      return;
    }
    joined.write(size, 0, "latin1");
    joined.set(bytes, size.length);
    joined.set(lineEnd, size.length + bytes.length);
    this.#writeJoined(length);
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
    this.#heldBytes += bytes.length;
  }
}

const lineEnd = Buffer.from("\r\n");
