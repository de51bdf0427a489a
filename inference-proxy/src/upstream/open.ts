import { WarmpathError } from "@warmpath/runtime/base";
import { parseUpstreamError, readFirstEvent, type UpstreamError } from "./error-body.ts";
import { type AttemptFailure, failureOfStatus, failureOfThrown } from "./failure.ts";
import { readWhole } from "./read-whole.ts";
import type { ReplicaAddress } from "./replica.ts";
import { createEventFramer, splitEvents } from "./sse.ts";
import type { Watchdog } from "./watchdog.ts";
import { formatOf, isWholeGivenUp } from "./wire-format.ts";

/*
 * One try of one upstream. The head of a stream proves nothing (vLLM sends 200 before it queues the
 * request), so it is held until the first event; until then every failure can still be retried
 * elsewhere.
 */

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
  readonly path: ServingPath;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
  readonly isStream: boolean;
  /** The caller's; aborts the attempt in every state. */
  readonly signal: AbortSignal;
  /** True after a kept connection turned out to be dead. */
  readonly usesFreshConnection: boolean;
}

/** Bounds of one attempt. */
export interface AttemptLimits {
  readonly firstEventTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly wholeTimeoutMs: number;
  readonly answerBytesMax: number;
  readonly eventBytesMax: number;
}

/** A stream whose first event is in hand. */
export interface OpenStream {
  /** Complete events, the first of them content. */
  readonly first: Uint8Array;
  /**
   * The next complete events (perhaps none yet, then empty); undefined at the end. Throws when it
   * breaks.
   */
  next(): Promise<Uint8Array | undefined>;
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
  /** The upstream found fault with the request: the client's own error. */
  | { readonly kind: "fault"; readonly status: number; readonly error: UpstreamError }
  | { readonly kind: "failed"; readonly failure: AttemptFailure };

/** What an attempt needs of the process. */
export interface AttemptMeans {
  readonly limits: AttemptLimits;
  readonly watchdog: Watchdog;
}

/**
 * Sends the request and waits for its first event, or for the whole answer. Throws only when the
 * caller left.
 */
export async function openAttempt(
  means: AttemptMeans,
  address: ReplicaAddress,
  request: AttemptRequest,
): Promise<Attempt> {
  const { limits } = means;
  const timeoutMs = request.isStream ? limits.firstEventTimeoutMs : limits.wholeTimeoutMs;
  const late = new AbortController();
  const watch = means.watchdog.watch(timeoutMs, () => late.abort());
  // One controller for both reasons to stop: half the cost of AbortSignal.any.
  const onCallerLeft = () => late.abort(request.signal.reason);
  request.signal.addEventListener("abort", onCallerLeft, { once: true });
  try {
    const response = await send(address, request, late.signal);
    const contentType = response.headers.get("content-type") ?? "application/json";
    if (!response.ok) {
      return await readFault(response, limits);
    }
    if (request.isStream && contentType.includes("text/event-stream")) {
      return await holdUntilFirstEvent({ means, response, contentType, late });
    }
    const bytes = await readWhole(response, limits.answerBytesMax);
    return isWholeGivenUp(formatOf(request.path), bytes)
      ? emptyAnswer
      : { kind: "whole", contentType, bytes };
  } catch (error) {
    request.signal.throwIfAborted();
    const isLate = late.signal.aborted;
    // An answer that was given up must not go on behind our back.
    late.abort();
    return { kind: "failed", failure: isLate ? lateFailure(timeoutMs) : failureOfError(error) };
  } finally {
    watch.stop();
  }
}

function send(
  address: ReplicaAddress,
  request: AttemptRequest,
  signal: AbortSignal,
): Promise<Response> {
  const { authorization } = address;
  return fetch(`${address.baseUrl}${request.path}`, {
    method: "POST",
    body: request.body,
    headers: authorization === undefined ? request.headers : { ...request.headers, authorization },
    // A redirect would carry our key to wherever the upstream points.
    redirect: "manual",
    keepalive: !request.usesFreshConnection,
    signal,
  });
}

async function readFault(response: Response, limits: AttemptLimits): Promise<Attempt> {
  const bytes = await readWhole(response, limits.eventBytesMax);
  const text = new TextDecoder().decode(bytes);
  const error = parseUpstreamError(text) ?? {
    message: `the upstream answered ${response.status}`,
    type: undefined,
    param: undefined,
    code: undefined,
    status: undefined,
  };
  const retryAfter = response.headers.get("retry-after");
  const failure = failureOfStatus(response.status, error.message, retryAfter);
  return failure === undefined
    ? { kind: "fault", status: response.status, error }
    : { kind: "failed", failure };
}

/**
 * Reads until an event with data is there: an error is a failed attempt, content opens the stream.
 */
async function holdUntilFirstEvent(held: {
  readonly means: AttemptMeans;
  readonly response: Response;
  readonly contentType: string;
  readonly late: AbortController;
}): Promise<Attempt> {
  const reader = held.response.body?.getReader();
  if (reader === undefined) {
    return emptyStream;
  }
  const { eventBytesMax } = held.means.limits;
  const framer = createEventFramer(eventBytesMax);
  const blocks: Uint8Array[] = [];
  let heldBytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return emptyStream;
    }
    const block = framer.push(value);
    blocks.push(block);
    heldBytes += block.length;
    if (heldBytes > eventBytesMax + value.length) {
      const message = `the upstream sent more than ${eventBytesMax} bytes and no event`;
      throw new WarmpathError("failed-upstream-protocol", message);
    }
    const first = splitEvents(block)
      .map(readFirstEvent)
      .find((event) => event !== undefined);
    if (first === undefined) {
      continue;
    }
    if (first.kind === "content") {
      const bytes = blocks.length === 1 ? block : Buffer.concat(blocks);
      const stream = createOpenStream({ ...held, reader, framer, first: bytes });
      return { kind: "stream", contentType: held.contentType, stream };
    }
    held.late.abort();
    return first.kind === "end" ? emptyStream : attemptOfErrorEvent(first.error);
  }
}

const emptyStream = diedOf("its stream ended before the first event");
const emptyAnswer = diedOf("it gave the answer up");

function diedOf(message: string): Attempt {
  return { kind: "failed", failure: { kind: "died", message, retryAfterMs: undefined } };
}

function attemptOfErrorEvent(error: UpstreamError): Attempt {
  const status = error.status ?? 500;
  const failure = failureOfStatus(status, error.message, null);
  return failure === undefined ? { kind: "fault", status, error } : { kind: "failed", failure };
}

function createOpenStream(options: {
  readonly means: AttemptMeans;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly framer: ReturnType<typeof createEventFramer>;
  readonly first: Uint8Array;
  readonly late: AbortController;
}): OpenStream {
  const { reader, framer, first, late, means } = options;
  const { idleTimeoutMs } = means.limits;
  const watch = means.watchdog.watch(idleTimeoutMs, () => late.abort(idleError(idleTimeoutMs)));
  return {
    first,
    next: async () => {
      watch.touch();
      try {
        const { done, value } = await reader.read();
        // From here on it is the client that is waited for.
        watch.pause();
        if (!done) {
          return framer.push(value);
        }
      } catch (error) {
        watch.stop();
        throw late.signal.aborted && late.signal.reason instanceof WarmpathError
          ? late.signal.reason
          : error;
      }
      watch.stop();
      return undefined;
    },
    cancel: () => {
      watch.stop();
      late.abort();
    },
  };
}

function idleError(idleTimeoutMs: number): WarmpathError {
  return new WarmpathError(
    "failed-upstream-cut",
    `the upstream sent nothing for ${idleTimeoutMs} ms in the middle of its answer`,
  );
}

function lateFailure(timeoutMs: number): AttemptFailure {
  const message = `it gave no sign of life for ${timeoutMs} ms`;
  return { kind: "timeout", message, retryAfterMs: undefined };
}

function failureOfError(error: unknown): AttemptFailure {
  return error instanceof WarmpathError
    ? { kind: "refused", message: error.message, retryAfterMs: undefined }
    : failureOfThrown(error);
}
