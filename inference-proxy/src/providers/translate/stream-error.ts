import { brokenProtocol, isObject, parseExactJson, textOf } from "./json.ts";
import type { JsonObject, StreamError } from "./types.ts";

/** The `data` of an event as a JSON object; throws when it is none. */
export function parseEvent(data: string): JsonObject {
  try {
    const parsed = parseExactJson(data);
    if (isObject(parsed)) {
      return parsed;
    }
  } catch {
    // Not JSON: the same fault as JSON of another kind.
  }
  throw brokenProtocol("sent an event that is not a JSON object");
}

/** The error of an event, in any format's shape; undefined when it carries none. */
export function readStreamError(event: JsonObject): StreamError | undefined {
  const { error } = event;
  if (typeof error === "string") {
    return { message: error, type: undefined, code: undefined };
  }
  if (!isObject(error)) {
    return undefined;
  }
  const { code } = error;
  return {
    message: textOf(error["message"]) ?? JSON.stringify(error),
    type: textOf(error["type"]) ?? textOf(error["status"]),
    code: typeof code === "number" ? String(code) : textOf(code),
  };
}

/** One server-sent event without a name. */
export function dataEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** One server-sent event with the name that its own `type` says. */
export function namedEvent(value: JsonObject & { readonly type: string }): string {
  return `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
}
