import { Http1Error } from "./types.ts";

/** How the length of a body is known. */
export type Framing =
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunks" }
  /** Of answers only: it ends with the connection. */
  | { readonly kind: "until-close" };

/** 2^48: far beyond any body, and far from where sums of doubles go wrong. */
export const lengthMax = 2 ** 48;
/** Bytes of extensions behind one chunk's size, and of all trailers: nobody reads them. */
const extensionBytesMax = 1024;
const trailerBytesMax = 16 * 1024;

/** Reads one body off a connection's bytes. */
export interface BodyReader {
  /**
   * Hands what belongs to the body to `take`, as views of `bytes`, and returns the position behind
   * it. Throws `Http1Error` of kind `protocol`.
   */
  read(bytes: Buffer, at: number, take: (piece: Buffer) => void): number;
  /** True once the whole body has been read. */
  readonly isDone: boolean;
}

/** Makes the reader for one body. */
export function createBodyReader(framing: Framing): BodyReader {
  switch (framing.kind) {
    case "length":
      return new LengthReader(framing.bytes);
    case "chunks":
      return new ChunksReader();
    case "until-close":
      return new LengthReader(Number.POSITIVE_INFINITY);
  }
}

class LengthReader implements BodyReader {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  get isDone(): boolean {
    return this.#left === 0;
  }

  read(bytes: Buffer, at: number, take: (piece: Buffer) => void): number {
    const next = Math.min(bytes.length, at + this.#left);
    this.#left -= next - at;
    if (next > at) {
      take(viewOf(bytes, at, next));
    }
    return next;
  }
}

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
const semicolon = 0x3b;
const space = 0x20;
const tab = 0x09;

type State =
  | "size"
  | "extension"
  | "size-end"
  | "data"
  | "data-return"
  | "data-feed"
  | "trailer-start"
  | "trailer"
  | "trailer-end"
  | "last-feed"
  | "done";

/**
 * Chunks with extensions and trailers, both passed over. Framing is read byte by byte, so it may be
 * cut anywhere and nothing of it is ever held; data is handed over in one piece a chunk and read.
 */
class ChunksReader implements BodyReader {
  #state: State = "size";
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerBytes = 0;

  get isDone(): boolean {
    return this.#state === "done";
  }

  read(bytes: Buffer, from: number, take: (piece: Buffer) => void): number {
    let at = from;
    while (at < bytes.length && this.#state !== "done") {
      if (this.#state !== "data") {
        this.#step(bytes[at] ?? 0);
        at += 1;
        continue;
      }
      const next = Math.min(bytes.length, at + this.#left);
      this.#left -= next - at;
      if (this.#left === 0) {
        this.#state = "data-return";
      }
      take(viewOf(bytes, at, next));
      at = next;
    }
    return at;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case "size":
        this.#size(byte);
        return;
      case "extension":
        this.#extension(byte);
        return;
      case "size-end":
        expect(byte, lineFeed);
        this.#extensionBytes = 0;
        this.#digits = 0;
        this.#state = this.#left === 0 ? "trailer-start" : "data";
        return;
      case "data-return":
        expect(byte, carriageReturn);
        this.#state = "data-feed";
        return;
      case "data-feed":
        expect(byte, lineFeed);
        this.#state = "size";
        return;
      default:
        this.#trailer(byte);
    }
  }

  #size(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#left = this.#left * 16 + digit;
      this.#digits += 1;
      if (this.#left > lengthMax || this.#digits > 16) {
        throw new Http1Error("protocol", "a chunk is too large");
      }
      return;
    }
    if (this.#digits === 0) {
      throw new Http1Error("protocol", "a chunk has no size");
    }
    if (byte === carriageReturn) {
      this.#state = "size-end";
    } else if (byte === semicolon || byte === space || byte === tab) {
      this.#state = "extension";
    } else {
      throw new Http1Error("protocol", "a chunk has no size");
    }
  }

  #extension(byte: number): void {
    this.#extensionBytes += 1;
    if (byte === lineFeed || this.#extensionBytes > extensionBytesMax) {
      throw new Http1Error("protocol", `a chunk's size line has over ${extensionBytesMax} bytes`);
    }
    if (byte === carriageReturn) {
      this.#state = "size-end";
    }
  }

  #trailer(byte: number): void {
    this.#trailerBytes += 1;
    if (this.#trailerBytes > trailerBytesMax) {
      throw new Http1Error("protocol", `the trailers have more than ${trailerBytesMax} bytes`);
    }
    switch (this.#state) {
      case "trailer-start":
        this.#state = byte === carriageReturn ? "last-feed" : "trailer";
        return;
      case "trailer":
        if (byte === lineFeed) {
          throw new Http1Error("protocol", "a trailer is no header");
        }
        this.#state = byte === carriageReturn ? "trailer-end" : "trailer";
        return;
      case "trailer-end":
        expect(byte, lineFeed);
        this.#state = "trailer-start";
        return;
      default:
        expect(byte, lineFeed);
        this.#state = "done";
    }
  }
}

function expect(byte: number, wanted: number): void {
  if (byte !== wanted) {
    throw new Http1Error("protocol", "a chunk does not end where it said");
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) {
    return byte - 0x30;
  }
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

function viewOf(bytes: Buffer, at: number, end: number): Buffer {
  return at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end);
}
