import { type Code, type FieldFault, type Reason, WarmpathError } from "../base/index.ts";
import { publicMessageOf, retryAfterHeader, retryAfterMsOf, retryAfterSeconds } from "./rescue.ts";

/** HTTP status of each code: Connect's table, so that plain HTTP and Connect answer alike. */
const statusByCode: Record<Code, number> = {
  canceled: 499,
  unknown: 500,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  aborted: 409,
  out_of_range: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
};

/**
 * Reasons whose status differs from their code's. They are RESOURCE_EXHAUSTED in gRPC, but 429
 * would tell an HTTP client to send the same again later, which does not help.
 */
const statusByReason: Partial<Record<Reason, number>> = {
  "rejected-too-large": 413,
  "rejected-conversation-limit": 403,
  "rejected-budget": 403,
};

/** An error as the plain HTTP and JSON edges answer it. */
export interface HttpError {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: {
    readonly error: {
      readonly code: Code;
      readonly reason: Reason;
      readonly message: string;
      readonly fields?: readonly FieldFault[];
      readonly retryAfterMs?: number;
    };
  };
}

/** Status, headers and JSON body for any thrown value. */
export function httpError(thrown: unknown): HttpError {
  const error = WarmpathError.from(thrown);
  const { code, reason, fields } = error;
  const retryAfterMs = retryAfterMsOf(error);
  const retryHeader =
    retryAfterMs === undefined ? {} : { [retryAfterHeader]: retryAfterSeconds(retryAfterMs) };
  return {
    status: httpStatus(error),
    headers: { "content-type": "application/json", ...retryHeader },
    body: {
      error: {
        code,
        reason,
        message: publicMessageOf(error),
        ...(fields.length === 0 ? {} : { fields }),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      },
    },
  };
}

/** HTTP status of an error. */
export function httpStatus(error: WarmpathError): number {
  return statusByReason[error.reason] ?? statusByCode[error.code];
}

/** The same as a `Response`. */
export function httpErrorResponse(thrown: unknown): Response {
  const { status, headers, body } = httpError(thrown);
  return new Response(JSON.stringify(body), { status, headers });
}
