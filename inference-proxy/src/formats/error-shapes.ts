import { publicMessageOf } from "@warmpath/runtime";
import { WarmpathError } from "@warmpath/runtime/base";
import { eventOf } from "../upstream/sse.ts";

/*
 * Errors as Anthropic's API and OpenAI's streams of responses write them; those of the rest of
 * OpenAI's API are in `relay/rescue.ts`. Clients choose their exception class by the status, and
 * show type and message.
 */

/** The body of an error of Anthropic's API, as a response or as an event of a stream. */
export interface AnthropicErrorBody {
  readonly type: "error";
  readonly error: { readonly type: string; readonly message: string };
  readonly request_id: string;
}

/** What Anthropic's API calls the errors of a status. */
const typeByStatus: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  405: "invalid_request_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
  529: "overloaded_error",
};

const types: ReadonlySet<string> = new Set([...Object.values(typeByStatus), "api_error"]);

/**
 * An error in Anthropic's shape. `type`: as an upstream named it, kept if it is one of Anthropic's
 * (vLLM uses OpenAI's names).
 */
export function anthropicErrorBody(
  status: number,
  message: string,
  options: { readonly requestId: string; readonly type?: string | undefined },
): AnthropicErrorBody {
  const { requestId, type = "" } = options;
  const byStatus = typeByStatus[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
  return {
    type: "error",
    error: { type: types.has(type) ? type : byStatus, message },
    request_id: requestId,
  };
}

/** The event that ends a stream of messages which was cut. */
export function messagesErrorEvent(thrown: unknown, requestId: string): Uint8Array<ArrayBuffer> {
  const message = publicMessageOf(WarmpathError.from(thrown));
  return eventOf(anthropicErrorBody(500, message, { requestId }), "error");
}

/**
 * The event that ends a stream of responses which was cut. OpenAI's documents write its members
 * flat, and its clients look into `error`: it has both.
 */
export function responsesErrorEvent(
  thrown: unknown,
  sequenceNumber: number,
): Uint8Array<ArrayBuffer> {
  const message = publicMessageOf(WarmpathError.from(thrown));
  const flat = { code: "server_error", message, param: null };
  const error = { ...flat, type: "server_error" };
  const event = { type: "error", sequence_number: sequenceNumber, ...flat, error };
  return eventOf(event, "error");
}
