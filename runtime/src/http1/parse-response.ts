import { type BodyReader, createBodyReader, type Framing, lengthMax } from "./body-reader.ts";
import { FieldsReader, HeadReader, type HttpFields } from "./fields.ts";
import { Http1Error, type Http1Head } from "./types.ts";

/** What the parser calls. */
export interface ResponseParts {
  onHead(head: Http1Head): void;
  onBody(bytes: Buffer): void;
  onEnd(): void;
}

/**
 * RFC 9112, as far as a client of inference engines needs it: fixed lengths, chunks, answers that
 * end with the connection, interim answers. Pieces of a body are views of what was read.
 */
export class ResponseParser {
  readonly #parts: ResponseParts;
  readonly #take: (piece: Buffer) => void;
  readonly #head = new HeadReader();
  readonly #fields = new FieldsReader();
  #body: BodyReader | undefined;
  #endsWithConnection = false;
  #isReusable = true;

  constructor(parts: ResponseParts) {
    this.#parts = parts;
    this.#take = (piece) => parts.onBody(piece);
  }

  /** True when the connection may carry another request after this answer. */
  get isReusable(): boolean {
    return this.#isReusable;
  }

  /** True between two answers. */
  get isIdle(): boolean {
    return this.#body === undefined && !this.#head.isWithin;
  }

  /**
   * Takes what was read; the parts are called before it returns. Throws `Http1Error` of kind
   * `protocol`; the connection is then of no more use.
   */
  push(read: Buffer): void {
    let bytes = read;
    let at = 0;
    while (at < bytes.length) {
      if (this.#body === undefined) {
        const head = this.#head.read(bytes, at);
        if (head === undefined) {
          return;
        }
        bytes = head.bytes;
        at = head.next;
        this.#begin(head.text);
      } else {
        at = this.#body.read(bytes, at, this.#take);
      }
      if (this.#body?.isDone === true) {
        this.#body = undefined;
        // Nobody asked for what follows: no later request may take it for its answer.
        this.#isReusable &&= at === bytes.length;
        this.#parts.onEnd();
      }
    }
  }

  /** The connection has ended; true when that was the proper end of the answer. */
  endOfInput(): boolean {
    if (this.#body === undefined || !this.#endsWithConnection) {
      return false;
    }
    this.#body = undefined;
    this.#parts.onEnd();
    return true;
  }

  #begin(text: string): void {
    const lineEnd = text.indexOf("\r\n");
    const line = lineEnd < 0 ? text : text.slice(0, lineEnd);
    const status = statusLine.exec(line)?.[1];
    if (status === undefined) {
      throw new Http1Error("protocol", "the answer is not HTTP/1.1");
    }
    const fields = this.#fields.read(text, lineEnd < 0 ? text.length : lineEnd + 2);
    const head = { status: Number(status), fields };
    if (head.status < 200) {
      // An interim answer: the real one follows.
      return;
    }
    const framing = framingOf(head.status, fields);
    const connection = fields.get("connection")?.toLowerCase();
    const isOld = line.startsWith("HTTP/1.0");
    this.#endsWithConnection = framing.kind === "until-close";
    this.#isReusable =
      !this.#endsWithConnection &&
      (isOld ? connection === "keep-alive" : connection?.includes("close") !== true);
    this.#body = createBodyReader(framing);
    this.#parts.onHead(head);
  }
}

const statusLine = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: |$)/;

function framingOf(status: number, fields: HttpFields): Framing {
  if (status === 204 || status === 304) {
    return { kind: "length", bytes: 0 };
  }
  const coding = fields.get("transfer-encoding");
  if (coding !== null) {
    if (coding.toLowerCase() !== "chunked") {
      throw new Http1Error("protocol", "the answer comes in a transfer coding that is not known");
    }
    return { kind: "chunks" };
  }
  const length = fields.get("content-length");
  return length === null ? { kind: "until-close" } : { kind: "length", bytes: parseLength(length) };
}

/** The number of a `content-length`; throws for anything else, two equal ones included. */
export function parseLength(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text) || Number(text) > lengthMax) {
    throw new Http1Error("protocol", "the content-length is not a length");
  }
  return Number(text);
}
