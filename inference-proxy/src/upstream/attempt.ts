import { type CancelSignal, WarmpathError } from "@warmpath/runtime/base";
import type { Http1Client } from "@warmpath/runtime/http1";
import type { Vigil } from "../liveness/index.ts";
import type { Refused } from "./judge.ts";
import type { RequestBody } from "./request-body.ts";
import type { Watchdog } from "./watchdog.ts";

/** The only paths of an engine that can be reached through the proxy. */
export type ServingPath =
  | "/v1/chat/completions"
  | "/v1/completions"
  | "/v1/embeddings"
  | "/v1/messages"
  | "/v1/messages/count_tokens"
  | "/v1/responses";

/** What to send. */
export interface AttemptRequest {
  /** By the path's format the answer is read. */
  readonly path: ServingPath;
  /** Where to send it if the upstream has its own name for the path, query included. */
  readonly wirePath?: string | undefined;
  readonly body: RequestBody;
  readonly headers: Readonly<Record<string, string>>;
  readonly isStream: boolean;
  /** The caller's; aborts the attempt in every state. */
  readonly signal: CancelSignal;
  /** True after a kept connection turned out to be dead. */
  readonly usesFreshConnection: boolean;
  /** Says how long it may be silent. */
  readonly vigil: Vigil;
  /** Hears the head of the answer: what the upstream says of its limits. */
  readonly onHead?: (status: number, fields: HeadFields) => void;
}

/** The fields of an answer's head. */
export interface HeadFields {
  /** The value of a field, by its name in lower case. */
  get(name: string): string | null;
}

/** Bounds of one attempt. */
export interface AttemptLimits {
  readonly answerBytesMax: number;
  readonly eventBytesMax: number;
}

/** Who is told of a stream's events as they come. */
export interface StreamSink {
  /** Complete events. */
  onBlock(block: Uint8Array): void;
  /** All that one read of the connection brought has been handed over: a good moment to flush. */
  onRead(): void;
  onEnd(): void;
  /** It broke, or fell silent. */
  onFail(error: unknown): void;
}

/** A stream whose first event is in hand; read by `next`, or by `flow` where there is one. */
export interface OpenStream {
  /** Complete events, the first of them content. */
  readonly first: Uint8Array;
  /**
   * The next complete events (perhaps none yet, then empty); undefined at the end. Throws when it
   * breaks.
   */
  next(): Promise<Uint8Array | undefined>;
  /**
   * Hands over all that follows `first`, from the socket's own events: neither a promise nor a
   * timer per token. Nothing follows a `cancel`.
   */
  flow?(sink: StreamSink): void;
  /** With `flow`: stops reading, so that a slow client slows the engine; and goes on. */
  pause?(): void;
  resume?(): void;
  /** Leaves the upstream; harmless after the end. */
  cancel(): void;
}

/** How an attempt ended or goes on. */
export type Attempt =
  | { readonly kind: "stream"; readonly contentType: string; readonly stream: OpenStream }
  | {
      readonly kind: "whole";
      readonly contentType: string;
      readonly bytes: Uint8Array<ArrayBuffer>;
    }
  | Refused;

/** What an attempt needs of the process. */
export interface AttemptMeans {
  readonly limits: AttemptLimits;
  readonly watchdog: Watchdog;
  /** Carries what goes to upstreams without TLS. */
  readonly client: Http1Client;
}

/** The error of a stream that said nothing for too long in the middle of its answer. */
export function idleError(silentMs: number): WarmpathError {
  return new WarmpathError(
    "failed-upstream-cut",
    `the upstream sent nothing for ${silentMs} ms in the middle of its answer`,
  );
}

/** The error of an upstream that sends comments for ever. */
export function noEventError(eventBytesMax: number): WarmpathError {
  const message = `the upstream sent more than ${eventBytesMax} bytes and no event`;
  return new WarmpathError("failed-upstream-protocol", message);
}
