import { abortSignalOf, Cancellation, type CancelSignal, WarmpathError } from "../base/index.ts";
import { type BodyBudget, noRoomForBody } from "./body-budget.ts";
import type { RequestHead } from "./parse-request.ts";
import { type HttpRequest, tooLarge } from "./request.ts";
import type { FieldsView } from "./types.ts";

/** What a request needs of its connection. */
export interface BodySource {
  /** Somebody wants the body: read on, and let the client begin where it waits for that. */
  wantBody(): void;
  /** Enough is held for now. */
  holdBody(): void;
}

/** Body bytes that are taken before anybody has asked for them. */
const unaskedBytesMax = 64 * 1024;
/** Pieces below this are joined, so many at a time: in chunks of one byte each costs a hundred. */
const smallBytes = 1024;
const smallPiecesMax = 256;

/** A request that our own server has read, its body still on its way or not. */
export class IncomingRequest implements HttpRequest {
  readonly #head: RequestHead;
  readonly #source: BodySource;
  readonly #budget: BodyBudget;
  #pieces: Buffer[] = [];
  /** How many of the last pieces are small ones that nobody has joined. */
  #smallPieces = 0;
  #heldBytes = 0;
  /** Of the budget; given back once the body is whole, or nobody's. */
  #countedBytes = 0;
  /** On whose account they are; empty until somebody has asked for the body. */
  #owner = "";
  #isWhole = false;
  #isGone = false;
  #isDiscarded = false;
  #abort: Cancellation | undefined;
  #reading:
    | { readonly bytesMax: number; readonly settle: PromiseWithResolvers<Uint8Array<ArrayBuffer>> }
    | undefined;
  #fetched: Request | undefined;
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(head: RequestHead, source: BodySource, budget: BodyBudget) {
    this.#head = head;
    this.#source = source;
    this.#budget = budget;
  }

  get method(): string {
    return this.#head.method;
  }

  get url(): string {
    return this.#head.url;
  }

  get path(): string {
    return this.#head.path;
  }

  get headers(): FieldsView {
    return this.#head.fields;
  }

  /** Made when first asked for: most requests end without anybody having waited on it. */
  get signal(): CancelSignal {
    if (this.#abort === undefined) {
      this.#abort = new Cancellation();
      if (this.#isGone) {
        this.#abort.abort();
      }
    }
    return this.#abort;
  }

  readBody(
    bytesMax: number,
    owner = "",
  ): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
    const { framing } = this.#head;
    if ((framing.kind === "length" && framing.bytes > bytesMax) || this.#heldBytes > bytesMax) {
      throw tooLarge(bytesMax);
    }
    if (this.#isWhole) {
      return this.#takeAll();
    }
    if (this.#isGone) {
      throw callerLeft();
    }
    const countedBytes = this.#countedBytes;
    this.#uncount();
    this.#owner = owner;
    this.#count(countedBytes);
    if (this.#budget.isSpentFor(owner)) {
      this.#discard();
      return Promise.reject(noRoomForBody());
    }
    this.#reading = { bytesMax, settle: Promise.withResolvers() };
    this.#source.wantBody();
    return this.#reading.settle.promise;
  }

  toFetch(): Request {
    const { method, url, fields, framing } = this.#head;
    if (!URL.canParse(url)) {
      throw new WarmpathError("rejected-invalid", "the request's host is none");
    }
    const headers = new Headers();
    for (const [name, value] of fields.entries()) {
      headers.append(name, value);
    }
    const hasBody = framing.kind !== "length" || framing.bytes > 0;
    this.#fetched = new Request(url, {
      method,
      headers,
      signal: abortSignalOf(this.signal),
      ...(hasBody && method !== "GET" && method !== "HEAD" ? { body: this.#bodyStream() } : {}),
    });
    return this.#fetched;
  }

  /** More of the body. */
  push(piece: Buffer): void {
    if (this.#isDiscarded) {
      return;
    }
    if (this.#stream !== undefined) {
      this.#stream.enqueue(piece);
      if ((this.#stream.desiredSize ?? 0) <= 0) {
        this.#source.holdBody();
      }
      return;
    }
    this.#hold(piece);
    const reading = this.#reading;
    if (reading === undefined) {
      if (this.#heldBytes > unaskedBytesMax) {
        this.#source.holdBody();
      }
    } else if (this.#heldBytes > reading.bytesMax) {
      this.#discard();
      reading.settle.reject(tooLarge(reading.bytesMax));
    } else if (this.#budget.isSpentFor(this.#owner)) {
      this.#discard();
      reading.settle.reject(noRoomForBody());
    }
  }

  #hold(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#heldBytes += piece.length;
    this.#count(piece.length);
    this.#smallPieces = piece.length < smallBytes ? this.#smallPieces + 1 : 0;
    if (this.#smallPieces === smallPiecesMax) {
      this.#pieces.push(Buffer.concat(this.#pieces.splice(-smallPiecesMax)));
      this.#smallPieces = 0;
    }
  }

  /** That was all of the body. */
  end(): void {
    this.#isWhole = true;
    this.#uncount();
    this.#stream?.close();
    const reading = this.#reading;
    // Its promise holds on to the body, and a request lives as long as its answer.
    this.#reading = undefined;
    if (!this.#isDiscarded) {
      reading?.settle.resolve(this.#takeAll());
    }
  }

  /** The answer is on its way: unless somebody reads the body, what still comes is read over. */
  discardUnread(): void {
    const fetched = this.#fetched;
    if (fetched === undefined || !(fetched.bodyUsed || fetched.body?.locked === true)) {
      this.#discard();
      // It is not whole: whoever begins to read it now must not take it for that.
      this.#stream?.error(new Error("the body was not read before it was answered"));
      this.#stream = undefined;
      this.#source.wantBody();
    }
  }

  /** It is answered without its body, for which the client waits to be asked: it never will be. */
  refuseBody(): void {
    this.#discard();
    this.#stream?.error(new Error("the request was answered before its body was asked for"));
    this.#stream = undefined;
  }

  /** True when nobody wants what still comes of the body. */
  get isDiscarded(): boolean {
    return this.#isDiscarded;
  }

  #discard(): void {
    this.#isDiscarded = true;
    this.#pieces = [];
    this.#uncount();
  }

  #count(bytes: number): void {
    this.#countedBytes += bytes;
    this.#budget.add(bytes, this.#owner);
  }

  #uncount(): void {
    this.#budget.add(-this.#countedBytes, this.#owner);
    this.#countedBytes = 0;
  }

  /** The client has left. */
  leave(): void {
    this.#isGone = true;
    this.#uncount();
    this.#abort?.abort();
    if (!this.#isWhole) {
      this.#reading?.settle.reject(callerLeft());
      this.#stream?.error(callerLeft());
    }
  }

  #takeAll(): Uint8Array<ArrayBuffer> {
    const pieces = this.#pieces;
    this.#pieces = [];
    const [only] = pieces;
    // What Bun's sockets hand over lies in an ArrayBuffer of its own.
    return pieces.length === 1 && only !== undefined
      ? (only as Uint8Array<ArrayBuffer>)
      : Buffer.concat(pieces);
  }

  #bodyStream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#uncount();
        for (const piece of this.#pieces.splice(0)) {
          controller.enqueue(piece);
        }
        if (this.#isWhole) {
          controller.close();
        } else {
          this.#stream = controller;
        }
      },
      pull: () => {
        if (!this.#isWhole) {
          this.#source.wantBody();
        }
      },
      cancel: () => {
        this.#stream = undefined;
        this.#discard();
        this.#source.wantBody();
      },
    });
  }
}

function callerLeft(): WarmpathError {
  return new WarmpathError("failed-cancelled", "the client left before its body was here");
}
