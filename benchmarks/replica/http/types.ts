/** One request, read completely. */
export interface HttpRequest {
  readonly method: string;
  /** Path without its query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By lower-case name; of a name that came twice, the last value. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Aborts as soon as the client is gone. */
  readonly signal: AbortSignal;
}

/** An answer whose body is known. */
export interface WholeReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An answer whose head leaves at once and whose body follows. */
export interface StreamReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly begin: (body: ReplyBody) => void;
}

/** No answer: the connection is cut, in the middle of a head if one was being sent. */
export interface CutReply {
  readonly cut: true;
}

export type HttpReply = WholeReply | StreamReply | CutReply;

/** Where a streamed body goes; after `end` and `cut`, and when the client is gone, nothing does. */
export interface ReplyBody {
  /** Each text becomes a chunk of its own; all leave in one write. */
  write(texts: readonly string[]): void;
  end(): void;
  /** Closes the connection without the end of the body. */
  cut(): void;
}
