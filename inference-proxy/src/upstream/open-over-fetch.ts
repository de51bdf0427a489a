import { WarmpathError } from "@warmpath/runtime/base";
import type { Vigil } from "../liveness/index.ts";
import {
  type Attempt,
  type AttemptMeans,
  type AttemptRequest,
  idleError,
  noEventError,
  type OpenStream,
} from "./attempt.ts";
import { type AttemptFailure, failureOfThrown } from "./failure.ts";
import {
  emptyAnswer,
  emptyStream,
  faultOf,
  garbledAnswer,
  isGarbled,
  judgeFirst,
  lateFailure,
} from "./judge.ts";
import { readWhole } from "./read-whole.ts";
import type { ReplicaAddress } from "./replica.ts";
import { bytesOf } from "./request-body.ts";
import { createEventFramer } from "./sse.ts";
import { watchVigil } from "./watchdog.ts";
import { formatOf, isWholeGivenUp } from "./wire-format.ts";

/*
 * An attempt over Bun's `fetch`: for upstreams behind TLS, whose own pace makes its price small.
 */

/** Like `openAttempt`. */
export async function openOverFetch(
  means: AttemptMeans,
  address: ReplicaAddress,
  request: AttemptRequest,
): Promise<Attempt> {
  const { vigil } = request;
  const late = new AbortController();
  let lateMs: number | undefined;
  const watch = watchVigil(means.watchdog, vigil, (silentMs) => {
    lateMs = silentMs;
    late.abort();
  });
  // One controller for both reasons to stop: half the cost of AbortSignal.any.
  const onCallerLeft = () => late.abort(request.signal.reason);
  request.signal.addEventListener("abort", onCallerLeft, { once: true });
  try {
    const opened = await receive(means, address, request, late);
    if (opened.kind === "whole") {
      vigil.opened();
    }
    if (opened.kind !== "stream") {
      vigil.end();
    }
    return opened;
  } catch (error) {
    vigil.end();
    request.signal.throwIfAborted();
    // An answer that was given up must not go on behind our back.
    late.abort();
    const failure = lateMs === undefined ? failureOfError(error) : lateFailure(lateMs);
    return { kind: "failed", failure };
  } finally {
    watch.stop();
  }
}

async function receive(
  means: AttemptMeans,
  address: ReplicaAddress,
  request: AttemptRequest,
  late: AbortController,
): Promise<Attempt> {
  const { limits } = means;
  const response = await send(address, request, late.signal);
  request.onHead?.(response.status, response.headers);
  const contentType = response.headers.get("content-type") ?? "application/json";
  if (!response.ok) {
    const body = await readWhole(response, limits.eventBytesMax);
    return faultOf(response.status, body, response.headers.get("retry-after"));
  }
  if (request.isStream && contentType.includes("text/event-stream")) {
    return await holdUntilFirstEvent({ means, response, contentType, late, vigil: request.vigil });
  }
  const bytes = await readWhole(response, limits.answerBytesMax);
  if (isGarbled(bytes)) {
    return garbledAnswer;
  }
  return isWholeGivenUp(formatOf(request.path), bytes)
    ? emptyAnswer
    : { kind: "whole", contentType, bytes };
}

function send(
  address: ReplicaAddress,
  request: AttemptRequest,
  signal: AbortSignal,
): Promise<Response> {
  const { authorization } = address;
  return fetch(`${address.baseUrl}${request.wirePath ?? request.path}`, {
    method: "POST",
    body: bytesOf(request.body),
    headers: authorization === undefined ? request.headers : { ...request.headers, authorization },
    // A redirect would carry our key to wherever the upstream points.
    redirect: "manual",
    keepalive: !request.usesFreshConnection,
    signal,
  });
}

/**
 * Reads until an event with data is there: an error is a failed attempt, content opens the stream.
 */
async function holdUntilFirstEvent(held: {
  readonly means: AttemptMeans;
  readonly response: Response;
  readonly contentType: string;
  readonly late: AbortController;
  readonly vigil: Vigil;
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
    if (block.length === 0) {
      continue;
    }
    blocks.push(block);
    heldBytes += block.length;
    if (heldBytes > eventBytesMax + value.length) {
      throw noEventError(eventBytesMax);
    }
    const first = judgeFirst(block);
    if (first === undefined) {
      continue;
    }
    if (first === "content") {
      held.vigil.opened();
      const bytes = blocks.length === 1 ? block : Buffer.concat(blocks);
      const stream = createFetchStream({ ...held, reader, framer, first: bytes });
      return { kind: "stream", contentType: held.contentType, stream };
    }
    held.late.abort();
    return first;
  }
}

function createFetchStream(options: {
  readonly means: AttemptMeans;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly framer: ReturnType<typeof createEventFramer>;
  readonly first: Uint8Array;
  readonly late: AbortController;
  readonly vigil: Vigil;
}): OpenStream {
  const { reader, framer, first, late, means, vigil } = options;
  const watch = watchVigil(means.watchdog, vigil, (silentMs) => late.abort(idleError(silentMs)));
  const stop = () => {
    watch.stop();
    vigil.end();
  };
  let isRead = false;
  return {
    first,
    next: async () => {
      // Until the first read the client was waited for, and after each block it is again.
      if (!isRead) {
        vigil.resume();
        isRead = true;
      }
      try {
        const { done, value } = await reader.read();
        if (!done) {
          const block = framer.push(value);
          if (block.length > 0) {
            vigil.event();
            vigil.pause();
            isRead = false;
          }
          return block;
        }
      } catch (error) {
        stop();
        throw late.signal.aborted && late.signal.reason instanceof WarmpathError
          ? late.signal.reason
          : error;
      }
      stop();
      return undefined;
    },
    cancel: () => {
      stop();
      late.abort();
    },
  };
}

function failureOfError(error: unknown): AttemptFailure {
  return error instanceof WarmpathError
    ? { kind: "refused", message: error.message, retryAfterMs: undefined }
    : failureOfThrown(error);
}
