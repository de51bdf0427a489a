import { httpStatus, publicMessageOf } from "@warmpath/runtime";
import { type Reason, WarmpathError } from "@warmpath/runtime/base";
import { LeftQueue } from "../call/queue-view.ts";
import {
  anthropicErrorBody,
  type Dialect,
  messagesErrorEvent,
  requestIdHeaders,
  responsesErrorEvent,
} from "../formats/index.ts";
import { OverLimit } from "../pace/index.ts";
import type { UpstreamError } from "../upstream/error-body.ts";
import { eventOf } from "../upstream/sse.ts";
import type { WireFormat } from "../upstream/wire-format.ts";

/*
 * The one place that turns errors into what the client's API has for them. Its clients choose their
 * exception class by the status, and show type, code and message.
 */

/** Who is told. */
export interface Told {
  readonly dialect: Dialect;
  readonly requestId: string;
}

/** The body of an error, as a response or as an event of a stream. */
export interface ApiErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

interface Wire {
  readonly status?: number;
  readonly type: string;
  readonly code?: string;
}

/** What clients of OpenAI's API expect where it says more than, or other than, our own table. */
const wireByReason: Partial<Record<Reason, Wire>> = {
  "rejected-unauthenticated": { type: "invalid_request_error", code: "invalid_api_key" },
  "rejected-no-model": { type: "invalid_request_error", code: "model_not_found" },
  "rejected-not-found": { type: "invalid_request_error", code: "unknown_url" },
  "rejected-over-limit": { type: "requests", code: "rate_limit_exceeded" },
  // Ours to have too little room, not theirs to have sent too much.
  "rejected-queue-full": { status: 503, type: "server_error", code: "overloaded" },
  "failed-upstream-busy": { status: 503, type: "server_error", code: "overloaded" },
  // Our key, or our upstream: nothing that the client could change.
  "failed-upstream-rejected": { status: 502, type: "server_error" },
  "failed-upstream": { status: 502, type: "server_error" },
  "failed-upstream-protocol": { status: 502, type: "server_error" },
};

/** Seconds to wait where a status promises `Retry-After` and the error knows none. */
const retryAfterSecondsDefault = 1;

/** The error as a response. */
export function errorResponse(
  thrown: unknown,
  { dialect, requestId }: Told,
  headers: Record<string, string> = {},
): Response {
  const error = WarmpathError.from(thrown);
  const status = wireByReason[error.reason]?.status ?? httpStatus(error);
  const retryAfter =
    error.retryAfterMs === undefined
      ? retryAfterSecondsDefault
      : Math.max(1, Math.ceil(error.retryAfterMs / 1000));
  const body =
    dialect === "anthropic"
      ? anthropicErrorBody(status, publicMessageOf(error), { requestId })
      : errorBody(error);
  return Response.json(body, {
    status,
    headers: {
      ...headers,
      ...requestIdHeaders(dialect, requestId),
      ...(error.cause instanceof OverLimit || error.cause instanceof LeftQueue
        ? error.cause.headers
        : {}),
      ...(status === 429 || status === 503 ? { "retry-after": String(retryAfter) } : {}),
    },
  });
}

/** The error as the event that ends a stream which was cut. */
export function errorEvent(
  format: WireFormat,
  thrown: unknown,
  at: { readonly requestId: string; readonly sequenceNumber: number },
): Uint8Array<ArrayBuffer> {
  switch (format) {
    case "chat":
      return eventOf(errorBody(thrown));
    case "messages":
      return messagesErrorEvent(thrown, at.requestId);
    case "responses":
      return responsesErrorEvent(thrown, at.sequenceNumber);
  }
}

/** The error as a body of OpenAI's API. */
export function errorBody(thrown: unknown): ApiErrorBody {
  const error = WarmpathError.from(thrown);
  const wire = wireByReason[error.reason];
  const isClients = error.source === "client";
  return {
    error: {
      message: publicMessageOf(error),
      type:
        error.cause instanceof OverLimit
          ? error.cause.type
          : (wire?.type ?? (isClients ? "invalid_request_error" : "server_error")),
      param: error.fields[0]?.field ?? null,
      code: wire?.code ?? error.reason,
    },
  };
}

/** An upstream's judgement of the client's request, in the shape that the client's API has. */
export function faultResponse(
  status: number,
  error: UpstreamError,
  { dialect, requestId }: Told,
  headers: Record<string, string> = {},
): Response {
  if (dialect === "anthropic") {
    const { message, type } = error;
    return Response.json(anthropicErrorBody(status, message, { requestId, type }), {
      status,
      headers: { ...headers, ...requestIdHeaders(dialect, requestId) },
    });
  }
  const body: ApiErrorBody = {
    error: {
      message: error.message,
      type: error.type ?? "invalid_request_error",
      param: error.param ?? null,
      code: error.code ?? (status === 404 ? "model_not_found" : null),
    },
  };
  return Response.json(body, {
    status,
    headers: { ...headers, ...requestIdHeaders(dialect, requestId) },
  });
}

/** An answer to a method that the path does not have. */
export function methodNotAllowed(told: Told, allow: string): Response {
  const error: UpstreamError = {
    message: `Only ${allow} is allowed here.`,
    type: "invalid_request_error",
    param: undefined,
    code: "method_not_supported",
    status: undefined,
  };
  return faultResponse(405, error, told, { allow });
}
