import type { SplicedBytes } from "./spliced-bytes.ts";

/** Why an exchange over HTTP/1.1 failed. */
export type Http1FailureKind =
  /** No connection came about: the server has seen nothing of the request. */
  | "unreachable"
  /** The connection ended before the answer did. */
  | "died"
  /** What came is no HTTP/1.1, or exceeds a bound. */
  | "protocol";

/** The one error of this folder. */
export class Http1Error extends Error {
  readonly kind: Http1FailureKind;

  constructor(kind: Http1FailureKind, message: string) {
    super(message);
    this.name = "Http1Error";
    this.kind = kind;
  }
}

/** A server that speaks HTTP/1.1 without TLS. */
export interface Origin {
  readonly host: string;
  readonly port: number;
  /** What the host field says where that is not the host and port themselves. */
  readonly authority?: string;
}

/** A request to send. `host` and `content-length` are the client's to write. */
export interface Http1Request {
  readonly method: "GET" | "POST";
  /** Path and query. */
  readonly path: string;
  /** Names and values are the caller's own, or were checked by who read them. */
  readonly headers: Readonly<Record<string, string>>;
  /** Written as it is; must not change until the exchange has ended. */
  readonly body: Uint8Array | SplicedBytes;
}

/** Header fields as they were read. */
export interface FieldsView {
  /** By its name in lower case, equal names joined by commas; null where there is none. */
  get(name: string): string | null;
  has(name: string): boolean;
}

/** The beginning of an answer. */
export interface Http1Head {
  readonly status: number;
  readonly fields: FieldsView;
}

/**
 * Who is told of an answer, synchronously from the socket's events: the head, any number of pieces
 * of the body, and then the end or a failure, once. Nothing follows an abort.
 */
export interface Http1Sink {
  onHead(head: Http1Head): void;
  /** A piece of the body, framing removed; not copied, and nobody else's from here on. */
  onBody(bytes: Uint8Array): void;
  /** All pieces that one read of the socket brought have been handed over. */
  onRead(): void;
  onEnd(): void;
  onFail(error: Http1Error): void;
}

/** A request under way. */
export interface Http1Exchange {
  /** Stops reading, so that a slow reader slows the sender; a read under way still arrives. */
  pause(): void;
  resume(): void;
  /** Leaves: the connection is closed and the sink hears no more. Harmless after the end. */
  abort(): void;
}
