import { dataOf, doneData, nameOf } from "./sse.ts";

/** An upstream's error, whatever shape it came in. */
export interface UpstreamError {
  readonly message: string;
  /** As the upstream names it, such as "BadRequestError"; undefined when it does not. */
  readonly type: string | undefined;
  readonly param: string | undefined;
  /** A word such as "context_length_exceeded"; undefined when there is none, or only a number. */
  readonly code: string | undefined;
  /** The number that vLLM puts into `code`. */
  readonly status: number | undefined;
}

/**
 * Longest sentence of an upstream's error that is told, and longest name in it. Some repeat the
 * whole request, which would then be in each log line, span and answer.
 */
const messageCharsMax = 8192;
const nameCharsMax = 256;

/**
 * Reads the error out of a body or event: OpenAI's `{"error":{…}}` and, in streams of responses,
 * `{"type":"error",…}` and `{"type":"response.failed",…}`; Anthropic's
 * `{"type":"error","error":{…}}`; vLLM's `{"error":"Unauthorized"}` and `{"detail":…}`. Undefined
 * when it is no error.
 */
export function parseUpstreamError(text: string): UpstreamError | undefined {
  const error = readError(text);
  return error === undefined
    ? undefined
    : {
        message: shortened(error.message, messageCharsMax),
        type: error.type && shortened(error.type, nameCharsMax),
        param: error.param && shortened(error.param, nameCharsMax),
        code: error.code && shortened(error.code, nameCharsMax),
        status: error.status,
      };
}

function shortened(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
}

function readError(text: string): UpstreamError | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    // Not JSON, so not one of the shapes: the caller knows the status.
    return undefined;
  }
  if (!isRecord(body)) {
    return undefined;
  }
  const { detail } = body;
  const error = errorOf(body);
  if (typeof error === "string") {
    return named(error);
  }
  if (isRecord(error)) {
    const { code } = error;
    const type = textOf(error["type"]);
    const message = textOf(error["message"]) ?? JSON.stringify(error);
    const swallowed = swallowedStatus(type, message);
    if (swallowed !== undefined) {
      const sentence = `the engine ended the stream with status ${swallowed}`;
      return { ...named(sentence), type, status: swallowed };
    }
    return {
      message,
      type,
      param: textOf(error["param"]),
      code: textOf(code),
      status: typeof code === "number" ? code : statusByName.get(textOf(code) ?? type ?? ""),
    };
  }
  return detail === undefined ? undefined : named(textOf(detail) ?? JSON.stringify(detail));
}

/**
 * The status of an error that vLLM's messages swallowed: they take it for a chunk of a chat, and
 * tell the client only that it fits none, with the two ends of it. Seen in vLLM 0.32.
 */
function swallowedStatus(type: string | undefined, message: string): number | undefined {
  if (type !== "internal_error") {
    return undefined;
  }
  // Cut, since the search takes the square of a hostile message's length.
  const code = /\{'error': .*'code': (\d{3})\}\}/.exec(shortened(message, messageCharsMax));
  return code === null ? undefined : Number(code[1]);
}

/** Where the error is: in its member, in a failed response, or all over a flat event. */
function errorOf(body: Record<string, unknown>): unknown {
  const { error, type, response } = body;
  if (type === "response.failed" && isRecord(response)) {
    return response["error"];
  }
  return type === "error" && error === undefined ? { ...body, type: undefined } : error;
}

/**
 * Statuses of errors inside a stream that has said 200 already, by the names that Anthropic's types
 * and OpenAI's codes have; what is not here is the upstream's own fault.
 */
const statusByName: ReadonlyMap<string, number> = new Map([
  ["invalid_request_error", 400],
  ["invalid_prompt", 400],
  ["authentication_error", 401],
  ["permission_error", 403],
  ["not_found_error", 404],
  ["request_too_large", 413],
  ["rate_limit_error", 429],
  ["rate_limit_exceeded", 429],
  ["overloaded_error", 503],
]);

/** What the first event of a stream is: an error, the end, or content (undefined for a comment). */
export type FirstEvent =
  | { readonly kind: "error"; readonly error: UpstreamError }
  | { readonly kind: "end" }
  /** Not an object of JSON: no event of any API that is spoken here. */
  | { readonly kind: "garbled" }
  | { readonly kind: "content" };

/**
 * Events that engines send before they have begun: a head with more words. What comes after them
 * may still be a refusal.
 */
const preludes: ReadonlySet<string> = new Set([
  "message_start",
  "ping",
  "response.created",
  "response.queued",
  "response.in_progress",
]);

/** An engine that is going away may end a request before it began. */
const givenUp = /"finish_reason"\s*:\s*"abort"/;

/** A chunk without a choice, such as the usage of a request that was given up unbegun. */
const choiceless = /"choices"\s*:\s*\[\s*\]/;

/**
 * Looks at one event of a stream that has not been handed on; undefined for a comment, a keep-alive
 * or a prelude, and for a chunk that has no choice.
 */
export function readFirstEvent(event: Uint8Array): FirstEvent | undefined {
  const data = dataOf(event);
  if (data === undefined || preludes.has(nameOf(event))) {
    return undefined;
  }
  if (data === doneData || givenUp.test(data)) {
    return { kind: "end" };
  }
  if (!data.startsWith("{")) {
    return { kind: "garbled" };
  }
  const error = data.includes('"error"') ? parseUpstreamError(data) : undefined;
  if (error !== undefined) {
    return { kind: "error", error };
  }
  return choiceless.test(data) ? undefined : { kind: "content" };
}

function named(message: string): UpstreamError {
  return { message, type: undefined, param: undefined, code: undefined, status: undefined };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
