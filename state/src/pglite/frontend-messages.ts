import { ByteQueue } from "./byte-queue.ts";

/**
 * One message of a client, as PostgreSQL's protocol 3.0 frames it: before the session starts a
 * length and a code, afterwards a type and a length. `bytes` is the whole message, header included.
 */
export type FrontendMessage =
  | { readonly kind: "startup" | "encryption-request" | "cancel-request" }
  | { readonly kind: "typed"; readonly type: MessageType; readonly bytes: Buffer };

/**
 * The types that may follow the startup: Query, Parse, Bind, FunctionCall, Close, Describe,
 * Execute, Flush, Sync, Terminate. CopyData and its kin are missing: PGlite reads them only from
 * within the call that runs the COPY, so they can never be of use on their own.
 */
export type MessageType = "Q" | "P" | "B" | "F" | "C" | "D" | "E" | "H" | "S" | "X";

/** What a client sent cannot be served, and it must go. `sqlState` is for its ErrorResponse. */
export class ProtocolFault extends Error {
  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(message);
    this.sqlState = sqlState;
  }
}

/** The protocol's codes in place of a version: 1234 in the upper half. */
const cancelCode = 80877102;
const sslCode = 80877103;
const gssCode = 80877104;
/** Protocol 3.0. */
const protocolCode = 3 << 16;
/** PostgreSQL's MAX_STARTUP_PACKET_LENGTH, in bytes. */
const startupBytesMax = 10_000;
/** PostgreSQL's PQ_SMALL_MESSAGE_LIMIT, in bytes: for messages that hold no more than a name. */
const smallBytesMax = 10_000;
/** An ordinary header: the type in one byte, the length in four. */
const headerBytes = 5;

const isLarge: Readonly<Record<MessageType, boolean>> = {
  Q: true,
  P: true,
  B: true,
  F: true,
  C: false,
  D: false,
  E: false,
  H: false,
  S: false,
  X: false,
};

/**
 * Cuts one client's bytes into messages. It passes nothing on that PostgreSQL's own main loop would
 * answer by ending its process (a type it does not know, a length out of bounds): PGlite has only
 * the one process, and does not survive that.
 */
export class MessageSplitter {
  readonly #bytes = new ByteQueue();
  readonly #messageBytesMax: number;
  #isStarted = false;
  /** Bytes that must be there before it pays to look again. */
  #needed = 0;

  /** `messageBytesMax` bounds one message, header included. */
  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** Adds what arrived. */
  push(chunk: Buffer): void {
    this.#bytes.push(chunk);
  }

  /** The next whole message, or undefined until more arrives. Throws {@link ProtocolFault}. */
  next(): FrontendMessage | undefined {
    if (this.#bytes.length < this.#needed) {
      return undefined;
    }
    return this.#isStarted ? this.#nextTyped() : this.#nextUntyped();
  }

  #nextUntyped(): FrontendMessage | undefined {
    if (this.#bytes.length < 8) {
      return undefined;
    }
    const header = this.#bytes.peek(8);
    const length = header.readUInt32BE(0);
    const code = header.readUInt32BE(4);
    if (length < 8 || length > startupBytesMax) {
      throw new ProtocolFault("08P01", `invalid length of startup packet: ${length}`);
    }
    if (this.#take(length) === undefined) {
      return undefined;
    }
    switch (code) {
      case cancelCode:
        return { kind: "cancel-request" };
      case sslCode:
      case gssCode:
        return { kind: "encryption-request" };
      case protocolCode:
        this.#isStarted = true;
        return { kind: "startup" };
      default: {
        const version = `${code >>> 16}.${code & 0xffff}`;
        throw new ProtocolFault("0A000", `unsupported frontend protocol ${version}: use 3.0`);
      }
    }
  }

  #nextTyped(): FrontendMessage | undefined {
    if (this.#bytes.length < headerBytes) {
      return undefined;
    }
    const header = this.#bytes.peek(headerBytes);
    const type = String.fromCharCode(header[0] ?? 0);
    if (!isMessageType(type)) {
      throw new ProtocolFault("08P01", `invalid frontend message type ${header[0]}`);
    }
    // The length counts itself and not the type.
    const bytes = header.readUInt32BE(1) + 1;
    if (bytes < headerBytes || (!isLarge[type] && bytes > smallBytesMax)) {
      throw new ProtocolFault("08P01", `invalid length of a message of type ${type}`);
    }
    if (bytes > this.#messageBytesMax) {
      // Not a fault of the connection (class 08): sent again, it would be as long.
      throw new ProtocolFault(
        "54000",
        `a message of ${bytes} bytes is longer than the ${this.#messageBytesMax} accepted`,
      );
    }
    const taken = this.#take(bytes);
    return taken === undefined ? undefined : { kind: "typed", type, bytes: taken };
  }

  #take(count: number): Buffer | undefined {
    if (this.#bytes.length < count) {
      this.#needed = count;
      return undefined;
    }
    this.#needed = 0;
    return this.#bytes.take(count);
  }
}

function isMessageType(type: string): type is MessageType {
  return Object.hasOwn(isLarge, type);
}
