import { dataOf, doneData } from "./sse.ts";

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
 * Reads the error out of a body or event: OpenAI's `{"error":{…}}`, vLLM's
 * `{"error":"Unauthorized"}` and
 * `{"detail":…}`. Undefined when it is no error.
 */
export function parseUpstreamError(text: string): UpstreamError | undefined {
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
  const { error, detail } = body;
  if (typeof error === "string") {
    return named(error);
  }
  if (isRecord(error)) {
    return {
      message: textOf(error["message"]) ?? JSON.stringify(error),
      type: textOf(error["type"]),
      param: textOf(error["param"]),
      code: textOf(error["code"]),
      status: typeof error["code"] === "number" ? error["code"] : undefined,
    };
  }
  return detail === undefined ? undefined : named(textOf(detail) ?? JSON.stringify(detail));
}

/** What the first event of a stream is: an error, the end, or content (undefined for a comment). */
export type FirstEvent =
  | { readonly kind: "error"; readonly error: UpstreamError }
  | { readonly kind: "end" }
  | { readonly kind: "content" };

/** An engine that is going away may end a request before it began. */
const givenUp = /"finish_reason"\s*:\s*"abort"/;

/**
 * Looks at one event of a stream that has not been handed on; undefined for a comment or
 * keep-alive.
 */
export function readFirstEvent(event: Uint8Array): FirstEvent | undefined {
  const data = dataOf(event);
  if (data === undefined) {
    return undefined;
  }
  if (data === doneData || givenUp.test(data)) {
    return { kind: "end" };
  }
  const error = data.includes('"error"') ? parseUpstreamError(data) : undefined;
  return error === undefined ? { kind: "content" } : { kind: "error", error };
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
