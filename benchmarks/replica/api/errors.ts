import { messageOf } from "@warmpath/runtime/base";

/** A refusal in vLLM's own words: status and body are what the recorded engine sends. */
export class ApiError extends Error {
  readonly status: number;
  readonly type: string;
  readonly param: string | null;

  constructor(status: number, type: string, message: string, param: string | null = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.type = type;
    this.param = param;
  }

  /** What was thrown, as a refusal: a fault of the replica's own is a 500. */
  static from(thrown: unknown): ApiError {
    if (thrown instanceof ApiError) return thrown;
    return new ApiError(500, "InternalServerError", messageOf(thrown));
  }

  /** The JSON body, also used as an event inside a stream. */
  body(): { error: { message: string; type: string; param: string | null; code: number } } {
    return {
      error: { message: this.message, type: this.type, param: this.param, code: this.status },
    };
  }
}

/** A value that the engine checked and refused. */
export function badRequest(message: string, param: string | null = null): ApiError {
  return new ApiError(400, "BadRequestError", message, param);
}

/** A body that does not fit the schema; the text imitates the validator's report. */
export function schemaFault(fault: {
  type: string;
  loc: string;
  msg: string;
  input: string;
}): ApiError {
  const report = `{'type': '${fault.type}', 'loc': '${fault.loc}', 'msg': '${fault.msg}', 'input': '${fault.input}'}`;
  return new ApiError(400, "Bad Request", `1 validation error:\n  ${report}`, fault.loc);
}

/** The refusal of a request over the queue limit. There is no Retry-After: vLLM sends none. */
export function busy(): ApiError {
  return new ApiError(
    503,
    "Service Unavailable",
    "The engine is currently busy and cannot accept new requests. Please try again later or on a different instance.",
  );
}

/** The engine has died under the request. */
export function engineDead(): ApiError {
  return new ApiError(
    500,
    "InternalServerError",
    "EngineCore encountered an issue. See stack trace (above) for the root cause.",
  );
}
