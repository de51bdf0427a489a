import { parseUpstreamError, readFirstEvent, type UpstreamError } from "./error-body.ts";
import { type AttemptFailure, type FailureKind, failureOfStatus } from "./failure.ts";
import { splitEvents } from "./sse.ts";

/*
 * What an upstream's words mean, whatever carried them: the pure half of an attempt.
 */

/** An attempt that brought nothing to hand on. */
export type Refused =
  /** The upstream found fault with the request: the client's own error. */
  | { readonly kind: "fault"; readonly status: number; readonly error: UpstreamError }
  | { readonly kind: "failed"; readonly failure: AttemptFailure };

/** An answer whose status is no success. */
export function faultOf(status: number, body: Uint8Array, retryAfter: string | null): Refused {
  const error = parseUpstreamError(new TextDecoder().decode(body)) ?? {
    message: `the upstream answered ${status}`,
    type: undefined,
    param: undefined,
    code: undefined,
    status: undefined,
  };
  return judged(status, error, retryAfter);
}

/**
 * The first event with data in a block of whole events: content opens the stream, an error is a
 * failed attempt. Undefined while there are only comments.
 */
export function judgeFirst(block: Uint8Array): "content" | Refused | undefined {
  for (const event of splitEvents(block)) {
    const first = readFirstEvent(event);
    switch (first?.kind) {
      case undefined:
        continue;
      case "content":
        return "content";
      case "end":
        return emptyStream;
      case "garbled":
        return garbledAnswer;
      case "error":
        return judged(first.error.status ?? 500, first.error, null);
    }
  }
  return undefined;
}

function judged(status: number, error: UpstreamError, retryAfter: string | null): Refused {
  const failure = failureOfStatus(status, error.message, retryAfter);
  return failure === undefined ? { kind: "fault", status, error } : { kind: "failed", failure };
}

/** The stream ended, or said that it was over, before any event. */
export const emptyStream = failedOf("its stream ended before the first event");
/** A whole answer that the engine gave up. */
export const emptyAnswer = failedOf("it gave the answer up");

/** A success whose body is not what any API that is spoken here answers. */
export const garbledAnswer = failedOf("its answer is no JSON object", "garbled");

const openBrace = 0x7b;
const spaceMax = 0x20;

/** True when a whole answer cannot be an object of JSON: its first byte says so. */
export function isGarbled(answer: Uint8Array): boolean {
  const first = answer.find((byte) => byte > spaceMax);
  return first !== openBrace;
}

function failedOf(message: string, kind: FailureKind = "failed"): Refused {
  return { kind: "failed", failure: { kind, message, retryAfterMs: undefined } };
}

/** Nothing came in time. */
export function lateFailure(silentMs: number): AttemptFailure {
  const message = `it gave no sign of life for ${silentMs} ms`;
  return { kind: "timeout", message, retryAfterMs: undefined };
}
